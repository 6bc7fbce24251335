"""Answers a question from evidence alone: each topic that it asks about gets its sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from experts.answers.knowing import background, from_knowledge, in_general, names_a_kind
from experts.answers.known import NOT_THERE, Known, Told
from experts.answers.places import count, kind, region_named, size, where
from experts.answers.reading import Asked, Topic
from experts.answers.weighing import certainty, next_step, rule, verdict, why
from experts.evidence import Region

HELP = (
    "You can ask why, where, what kind, how large, how many, which rule decided, how sure this is, "
    "what it was compared with, what was done, what comes next, what the knowledge file says of a "
    "defect, or for a closer look at a place."
)
NOTHING = "Nothing in the evidence says that."
# Asked of a kind of defect, these are about the kind and not about the part.
_OF_KINDS = frozenset({"background", "kind", "rule", "normal"})


def tell(asked: Asked, known: Known, about: Sequence[str] = (), looks: int = 0) -> Told:
    """Answer a question.

    Args:
        asked: The question.
        known: What is known.
        about: Ids of the regions that the conversation was about before.
        looks: How many of the last of ``known.looks`` were taken for this question.
    """
    regions = _regions(asked, known, about)
    told = [_looked(known, looks)] if looks else []
    missing = _missing(asked, known)
    if missing is not None:
        told.append(missing)
    else:
        # A closer look answers what asked for it.
        topics = [t for t in asked.topics if not looks or t in ("verdict", "next")]
        told += _by_topics(replace(asked, topics=tuple(topics)), known, regions)
    if not any(part.sentences for part in told):
        told = [from_knowledge(asked.text, known)]
    if not any(part.sentences for part in told):
        told = [Told((NOTHING, HELP))]
    return _joined(told)


def _by_topics(asked: Asked, known: Known, regions: Sequence[Region]) -> list[Told]:
    """What there is on each topic; of a kind that is named, what the knowledge file says."""
    if names_a_kind(asked.text, known) and _OF_KINDS & set(asked.topics):
        others = [t for t in asked.topics if t in ("verdict", "next", "why", "where", "count")]
        return [from_knowledge(asked.text, known), *(_TOPICS[t](known, regions) for t in others)]
    return [_TOPICS[topic](known, regions) for topic in asked.topics]


def _joined(told: Sequence[Told]) -> Told:
    """All of it, each sentence once."""
    return Told(
        tuple(dict.fromkeys(s for part in told for s in part.sentences if s)),
        tuple(dict.fromkeys(i for part in told for i in part.evidence_ids)),
        tuple(dict.fromkeys(i for part in told for i in part.about)),
    )


def _regions(asked: Asked, known: Known, about: Sequence[str]) -> tuple[Region, ...]:
    """The regions that a question is about: those it names, those before, or all."""
    regions = known.inspection.regions
    if asked.numbers:
        return tuple(r for r in regions if region_number(r) in asked.numbers)
    if asked.place:
        return _at(asked.place, known) or regions
    named = tuple(r for r in regions if r.id in about)
    return named if asked.follows and named else regions


def region_number(region: Region) -> int:
    """The number in the id of a region."""
    return int(region.id.rpartition("-")[2])


def _missing(asked: Asked, known: Known) -> Told | None:
    """What is said of a region or a place that is asked about and is not there."""
    regions = known.inspection.regions
    lacking = [n for n in asked.numbers if not any(region_number(r) == n for r in regions)]
    if lacking:
        there = ", ".join(r.id for r in regions) or "none"
        return Told((f"There is no region-{lacking[0]}; the regions are: {there}.",))
    placed = {"where", "size", "kind"} & set(asked.topics)
    if asked.place and placed and not _at(asked.place, known):
        ids = tuple(r.id for r in regions)
        found = (f"Nothing stands out at the {asked.place}.", *(region_named(r) for r in regions))
        return Told(found, ("anomaly", *ids), ids)
    return None


def _at(place: str, known: Known) -> tuple[Region, ...]:
    """The regions that reach into a place, wherever their middle lies."""
    from experts.tools.places import box_of

    left, top, right, bottom = box_of(place, known.inspection.size_HW)
    return tuple(
        region
        for region in known.inspection.regions
        if region.mask[
            max(0, top - region.box_xyxy[1]) : max(0, bottom - region.box_xyxy[1]),
            max(0, left - region.box_xyxy[0]) : max(0, right - region.box_xyxy[0]),
        ].any()
    )


def _looked(known: Known, looks: int) -> Told:
    """What closer looks found."""
    taken = known.looks[-looks:]
    ids = [i for look in taken for i in (look.id, *look.evidence_ids)]
    about = tuple(look.target for look in taken if known.region(look.target))
    said = [known.looked_up(look) for look in taken]
    if known.knowledge and any(look.tool == "lookup" for look in taken) and said != [NOT_THERE]:
        said.append(in_general(known))
    return Told(tuple(said), tuple(ids), about)


def _reference(known: Known, _regions: Sequence[Region]) -> Told:
    inspection = known.inspection
    anomaly, references = inspection.anomaly, inspection.references
    said = []
    if references:
        alike = ", ".join(f"{r.path.name} (similarity {r.similarity:.2f})" for r in references)
        said.append(f"The most similar normal {_images(len(references))}: {alike}.")
    if anomaly.calibration_size:
        said.append(f"Its score was compared with those of {anomaly.calibration_size} normal ones.")
    if anomaly.twin is not None:
        twin = anomaly.twin
        said.append(
            f"It was laid over {twin.path.name}, from which it differs by {twin.difference:.0%} of "
            "the grey range at most."
        )
    if not said:
        said.append("No normal image was enrolled, so there is nothing to compare with.")
    return Told(tuple(said), ("anomaly", *(r.id for r in references)))


def _images(count: int) -> str:
    return "image is" if count == 1 else "images are"


def _steps(known: Known, _regions: Sequence[Region]) -> Told:
    steps = known.inspection.steps
    said = tuple(f"{n}. {s.looked_at}: {s.found}" for n, s in enumerate(steps, start=1))
    if not said:
        return why(known, ())
    return Told(said, tuple(dict.fromkeys(i for step in steps for i in step.evidence_ids)))


def _healed(known: Known, regions: Sequence[Region]) -> Told:
    cause = known.inspection.cause
    if cause is None:
        return Told(
            ("Whether the anomaly goes away with the places made normal was not tried here.",),
        )
    wanted = {region.id for region in regions}
    said = []
    for place in cause.healed:
        if place.region_id in wanted:
            becomes = "still stands out" if place.stays else "no longer stands out"
            said.append(
                f"With {place.region_id} replaced by the same place of {cause.reference} it "
                f"{becomes}: {place.before:.1f} times what normal images reach before, "
                f"{place.after:.1f} times after."
            )
    whole = "no longer unusual" if cause.explains else "still unusual"
    said.append(f"With all places replaced the image is {whole} (p = {cause.p_after:.2g}).")
    return Told(tuple(said), ("cause", *(p.region_id for p in cause.healed)))


def _opinion(known: Known, _regions: Sequence[Region]) -> Told:
    opinion = known.inspection.opinion
    if opinion is None:
        return Told(("No language model gave its opinion on this image.",))
    ranked = sorted(zip(opinion.probabilities, opinion.candidates, strict=True), reverse=True)
    named = ", ".join(f"{name} {share:.0%}" for share, name in ranked[:3])
    said = [f"{opinion.model} takes the image for: {named}."]
    said += [] if opinion.from_logits else ["It did not say how sure it is."]
    return Told(tuple(said), ("opinion",))


def _normal(known: Known, _regions: Sequence[Region]) -> Told:
    if known.knowledge is None:
        return Told(("The line has no knowledge file that says what a good part looks like.",))
    text = known.quoted(known.knowledge.file.normal)
    said = (f"The knowledge file says of a good part: {text}",) if text else ()
    return Told(said, ("knowledge",) if said else ())


_TOPICS: Mapping[Topic, Callable[[Known, Sequence[Region]], Told]] = {
    "verdict": verdict,
    "why": why,
    "where": where,
    "kind": kind,
    "size": size,
    "count": count,
    "rule": rule,
    "certainty": certainty,
    "reference": _reference,
    "steps": _steps,
    "next": next_step,
    "background": background,
    "healed": _healed,
    "opinion": _opinion,
    "normal": _normal,
}
