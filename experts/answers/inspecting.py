"""What is said of the inspection itself: what it compared with, did, tried and was told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experts.answers.known import Known, Told
from experts.answers.weighing import judged_in_words, why
from experts.clock import local_time
from experts.evidence import Region, TwinScore
from experts.wording import times_in_words

NO_NORMAL = "No normal image was enrolled, so there is nothing to compare with."


def reference(known: Known, _regions: Sequence[Region]) -> Told:
    """What the image was compared with."""
    inspection = known.inspection
    anomaly, references = inspection.anomaly, inspection.references
    said = []
    if references:
        alike = ", ".join(f"{r.path.name} (similarity {r.similarity:.2f})" for r in references)
        said.append(f"The most similar normal {_images(len(references))}: {alike}.")
    if anomaly.calibration_size:
        said.append(f"Its score was compared with those of {anomaly.calibration_size} normal ones.")
    if anomaly.twin is not None:
        said.append(_laid_over(anomaly.twin))
    if not said:
        said.append(NO_NORMAL)
    return Told(tuple(said), ("anomaly", *(r.id for r in references)))


def _laid_over(twin: TwinScore) -> str:
    return (
        f"It was laid over {twin.path.name}, from which it differs by {twin.difference:.0%} of "
        "the grey range at most."
    )


def twin(known: Known, _regions: Sequence[Region]) -> Told:
    """What a twin is, which one this image has, and how much it differs from it."""
    found = known.inspection.anomaly.twin
    what = "A twin is an enrolled normal image that shows the same and lies exactly on this one."
    if found is None:
        return Told((what, "This image has none."), ("anomaly",))
    counts = "That difference counts." if found.stands_out else "That difference does not count."
    return Told((what, _laid_over(found), counts), ("anomaly",))


def learned(known: Known, _regions: Sequence[Region]) -> Told:
    """How many normal images it was compared with."""
    normal = known.inspection.anomaly.calibration_size
    if not normal:
        return Told((NO_NORMAL,), ("anomaly",))
    images = "1 normal image" if normal == 1 else f"{normal} normal images"
    return Told((f"Its score was compared with those of {images} of the line.",), ("anomaly",))


def _images(count: int) -> str:
    return "image is" if count == 1 else "images are"


def steps(known: Known, _regions: Sequence[Region]) -> Told:
    """How it got there, step by step."""
    taken = known.inspection.steps
    said = tuple(f"{n}. {s.looked_at}: {s.found}" for n, s in enumerate(taken, start=1))
    if not said:
        return why(known, ())
    return Told(said, tuple(dict.fromkeys(i for step in taken for i in step.evidence_ids)))


def time(known: Known, _regions: Sequence[Region]) -> Told:
    """How long it took, and what took longest."""
    timings = known.inspection.timings_ms
    if not timings:
        return Told(("How long the inspection took was not noted.",))
    longest = max(timings, key=lambda stage: timings[stage])
    return Told(
        (
            f"The inspection took {sum(timings.values()) / 1000:.2g} s; the longest stage was "
            f"{longest}, with {timings[longest] / 1000:.2g} s.",
        )
    )


def origin(known: Known, _regions: Sequence[Region]) -> Told:
    """Which image it was, on which line, by what it was inspected, and when; and by whom since."""
    inspection = known.inspection
    versions = inspection.versions
    stored = f", stored as {inspection.id}" if inspection.id else ""
    said = (
        f"The image is {Path(inspection.image).name}, inspected on the line {versions.line} by "
        f"Echo {versions.echo} with the encoder {versions.encoder}{stored}."
    )
    when = "It is not stored when it was inspected."
    if known.time is not None:
        when = f"It was inspected on {local_time(known.time)}."
    judged = (judged_in_words(known.judged),) if known.judged is not None else ()
    return Told((said, when, *judged))


def healed(known: Known, regions: Sequence[Region]) -> Told:
    """What becomes of the anomaly with the places made normal."""
    cause = known.inspection.cause
    if cause is None:
        return Told(
            (
                "Whether the anomaly goes away with the places made normal was not tried here.",
                "To try it, inspect the image with echo-iad inspect --causes.",
            ),
        )
    wanted = {region.id for region in regions}
    said = []
    for place in cause.healed:
        if place.region_id in wanted:
            becomes = "still stands out" if place.stays else "no longer stands out"
            said.append(
                f"With {place.region_id} replaced by the same place of {cause.reference} it "
                f"{becomes}: {times_in_words(place.before)} times what normal images reach before, "
                f"{times_in_words(place.after)} times after."
            )
    whole = "no longer unusual" if cause.explains else "still unusual"
    said.append(f"With all places replaced the image is {whole} (p = {cause.p_after:.2g}).")
    return Told(tuple(said), ("cause", *(p.region_id for p in cause.healed)))


def opinion(known: Known, _regions: Sequence[Region]) -> Told:
    """What a language model takes the image for."""
    held = known.inspection.opinion
    if held is None:
        return Told(("No language model gave its opinion on this image.",))
    ranked = sorted(zip(held.probabilities, held.candidates, strict=True), reverse=True)
    named = ", ".join(f"{name} {share:.0%}" for share, name in ranked[:3])
    said = [f"{held.model} takes the image for: {named}."]
    said += [] if held.from_logits else ["It did not say how sure it is."]
    return Told(tuple(said), ("opinion",))


def thanks(_known: Known, _regions: Sequence[Region]) -> Told:
    """An answer to thanks."""
    return Told(("You are welcome.",))
