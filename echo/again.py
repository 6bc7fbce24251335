"""Replays a stored inspection: the same result, bit by bit, or which of its inputs changed?

The image is inspected by the line as it is now, by the rules of then where they are kept, on as
many threads as then. Of a language model its opinion of then is heard again, so the verdict is the
same without it. The model itself, which may be gone, is asked apart.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from echo import __version__
from echo.history import Archive, archive_of, learned_sha256, slim
from echo.inputs import Roster, changes
from echo.inspector import Inspector, Then
from echo.line import ProductLine
from echo.machine import as_many_threads_as
from echo.manifest import KNOWLEDGE
from echo.record import Record, split_id
from echo.rules import Rules, cited
from experts.decoder.conformal import percent
from experts.decoder.encoder import load_encoder
from experts.errors import EchoError, ImageError, KnowledgeError
from experts.evidence import Evidence, Inspection, Opinion, Verdict
from experts.images import ImageSource, Picture, read_picture
from experts.knowledge import Knowledge, parse_knowledge
from experts.mllm import MLLM

Input = Literal[
    "image", "line", "knowledge", "view", "alpha", "encoder", "echo", "machine", "prompts", "mllm"
]

# What is not compared: what the image is called, how long it took, versions, of which sentences
# tell, and what a language model wrote or asked to see.
APART = {"image", "timings_ms", "faults", "versions", "looks", "explanation"}
# How images are called that were not given as files.
NO_FILES = {"array", "bytes", "image"}
# Values are told to so many characters.
MAX_TOLD = 60


class ChangedInput(Evidence):
    """Something that an inspection rests on and that is another by now.

    Attributes:
        what: Which input.
        sentence: What became of it.
    """

    what: Input
    sentence: str


class Difference(Evidence):
    """A number or word of an inspection that came out otherwise.

    Attributes:
        field: Where in the inspection, for example ``regions.0.area_px``.
        before: As it was stored, in JSON; ``-`` if it was not there.
        after: As it is now.
    """

    field: str
    before: str
    after: str


class Replayed(Evidence):
    """What came of replaying a stored inspection.

    Attributes:
        id: Of the stored inspection.
        image: Name of its image.
        time: When it was made, UTC.
        before: The verdict of then.
        after: The verdict now; ``None`` if the image can no longer be inspected.
        reason: Of the verdict now, or why there is none.
        reproduced: Whether no input has changed and the result is the same, bit by bit.
        changed: The inputs that are others by now.
        differences: What came out otherwise; empty if nothing did, or it cannot be told.
        notes: What else is to be known: which rules it was judged by if others are in force now,
            and how the opinion of the language model compares, if one was asked.
    """

    id: str
    image: str
    time: datetime
    before: Verdict
    after: Verdict | None
    reason: str
    reproduced: bool
    changed: tuple[ChangedInput, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


def replay_inspection(
    id: str,  # noqa: A002 - it is called so everywhere else
    image: ImageSource | None = None,
    home: str | os.PathLike[str] | None = None,
    *,
    mllm: MLLM | str | None = None,
) -> Replayed:
    """Inspect the image of a stored inspection again and compare; nothing is stored.

    Args:
        id: Names the inspection, ``LINE:NUMBER``; see ``Inspection.id``.
        image: The image, if it is no longer where it was, or was not given as a file.
        home: Where lines are kept; see ``echo.settings``.
        mllm: The language model to ask if one was asked then; by default what is set for the line.

    Raises:
        HistoryError: If nothing is stored by that id, or it cannot be read.
        ImageError: If the image is gone or cannot be read.
        LineError: If the line is gone or damaged.
    """
    name, number = split_id(id)
    line = ProductLine.load(name, home=home)
    archive = archive_of(name, home)
    record = archive.record(number)
    stored = record.inspection()
    picture = _picture(record, image)
    rules = _RulesOfThen(line, record, archive)
    changed = [
        ChangedInput(what=what, sentence=sentence)
        for what, sentence in _changed(line, record, stored, archive, picture, rules)
    ]
    try:
        with as_many_threads_as(stored.versions.machine):
            now = Inspector(
                line,
                keep=False,
                mllm="none",
                causes=stored.cause is not None,
                then=Then(rules, stored.opinion, stored.versions.cases),
            ).inspect_picture(picture, view=record.asked)
            asked_again = None
            if stored.opinion:
                then = Then(rules, None, stored.versions.cases)
                inspector = Inspector(line, keep=False, mllm=mllm, then=then)
                asked_again = inspector.inspect_picture(picture, view=record.asked)
    except EchoError as error:
        if not changed:
            raise
        return _told(record, None, f"cannot be inspected any more: {error}", changed, (), ())
    differences = list(_differences(_comparable(stored), _comparable(now)))
    more, notes = _after_all(stored, now, asked_again, same=not differences)
    notes = [*rules.notes, *notes]
    return _told(record, now.verdict, now.decision.reason, [*changed, *more], differences, notes)


def _told(
    record: Record,
    after: Verdict | None,
    reason: str,
    changed: Sequence[ChangedInput],
    differences: Sequence[Difference],
    notes: Sequence[str],
) -> Replayed:
    return Replayed(
        id=record.id,
        image=record.image,
        time=record.time,
        before=record.verdict,
        after=after,
        reason=reason,
        reproduced=after is not None and not changed and not differences,
        changed=tuple(changed),
        differences=tuple(differences),
        notes=tuple(notes),
    )


def _picture(record: Record, image: ImageSource | None) -> Picture:
    """The image, called as it was then: the name of its file may tell which view it shows."""
    if image is not None:
        return Picture(record.image, read_picture(image).rgb_HW3)
    try:
        return read_picture(record.image)
    except ImageError as error:
        why = str(error).partition("; ")[0]
        if not Path(record.image).is_absolute():
            why += f", seen from {Path.cwd()}"
        if record.image in NO_FILES:
            why = "it was not given as a file"
        raise ImageError(
            f"{record.id}: its image cannot be read again ({why}); say where it is: "
            f"echo-iad replay {record.id} --image FILE"
        ) from error


class _RulesOfThen(Rules):
    """The rules that an inspection was judged by; where they are lost, those in force now.

    Attributes:
        lost: What became of them, if they are lost.
        notes: Which are in force now, if others are.
    """

    def __init__(self, line: ProductLine, record: Record, archive: Archive) -> None:
        super().__init__(line)
        super().refresh()
        self.lost: str | None = None
        self.notes: tuple[str, ...] = ()
        then, now = record.knowledge_sha256, self.sha256
        if then == now:
            return
        try:
            knowledge = _parsed(line, archive, then)
        except KnowledgeError as error:
            self.lost = (
                f"the rules were {_revision(then)} then, {error}, and are {_revision(now)} now"
            )
            return
        self.knowledge, self.sha256 = knowledge, then
        how = f"by the rules of then, {_revision(then)}" if then else "without rules, as then"
        in_force = f"in force is {_revision(now)}" if now else "none are in force"
        self.notes = (f"it is judged {how}; now {in_force}",)

    def refresh(self) -> bool:
        return False


def _parsed(line: ProductLine, archive: Archive, sha256: str | None) -> Knowledge | None:
    if sha256 is None:
        return None
    name = line.manifest.knowledge_name or KNOWLEDGE
    if (raw := archive.rules(sha256)) is None:
        raise KnowledgeError("which is not kept")
    try:
        return cited(parse_knowledge(raw, Path(name)), name, sha256)
    except KnowledgeError as error:
        raise KnowledgeError(f"which cannot be read any more ({str(error).splitlines()[0]})") from (
            error
        )


def _revision(sha256: str | None) -> str:
    return f"revision {sha256[:8]}" if sha256 else "none"


def _changed(
    line: ProductLine,
    record: Record,
    stored: Inspection,
    archive: Archive,
    picture: Picture,
    rules: _RulesOfThen,
) -> Iterator[tuple[Input, str]]:
    """Which inputs are others, as far as can be told before the image is inspected."""
    then = stored.versions
    if picture.sha256 != record.image_sha256:
        yield "image", f"the pixels of the image are others ({_hashes(record, picture)})"
    # The second would also differ where this Echo describes lines otherwise than that of then.
    if then.line_sha256 != line.sha256 and record.learned_sha256 != learned_sha256(line.manifest):
        for what in _line_changes(archive.roster(record.learned_sha256), line):
            yield "line", f"line {line.name!r} {what}"
    if rules.lost:
        yield "knowledge", rules.lost
    asked, knowledge = record.asked, rules.knowledge
    if asked is not None and not (knowledge and knowledge.view_named(asked)):
        yield "view", f"the image was said to show view {asked!r}, which the rules do not name now"
    if record.alpha != rules.alpha:
        yield "alpha", f"alpha was {percent(record.alpha)} then and is {percent(rules.alpha)} now"
    if encoder := _other_encoder(line, then.encoder, then.weights_sha256):
        yield "encoder", encoder
    if then.echo != __version__:
        yield "echo", f"Echo was version {then.echo} then and is {__version__} now"


def _hashes(record: Record, picture: Picture) -> str:
    return f"hash {record.image_sha256[:8]} then, {picture.sha256[:8]} now"


def _line_changes(then: Roster | None, line: ProductLine) -> list[str]:
    if then is None:
        return ["was enrolled anew, extended or taught since; of what it was made is not kept"]
    return changes(then, Roster.of(line.manifest))


def _other_encoder(line: ProductLine, encoder: str, weights_sha256: str) -> str | None:
    name = line.manifest.encoder
    if name != encoder:
        return f"the encoder was {encoder} then and is {name} now"
    try:
        installed = load_encoder(name).weights_sha256
    except EchoError as error:
        return f"the encoder {name} of then cannot be loaded ({error})"
    if installed == weights_sha256:
        return None
    hashes = f"hash {weights_sha256[:8]} then, {installed[:8]} now"
    return f"the weights of the encoder {name} are others ({hashes})"


def _after_all(
    stored: Inspection, now: Inspection, asked_again: Inspection | None, *, same: bool
) -> tuple[list[ChangedInput], list[str]]:
    """Further changed inputs, and notes, that are known once the image is inspected again."""
    changed: list[ChangedInput] = []
    notes: list[str] = []
    then, here = stored.versions.machine, now.versions.machine
    rounding = "another machine may round the last digits otherwise"
    if not same and then is None:
        notes.append(f"on which machine it was computed was not noted then; {rounding}")
    elif not same and then is not None and here is not None and then != here:
        sentence = f"it was computed on {then.in_words} then, on {here.in_words} now; {rounding}"
        changed.append(ChangedInput(what="machine", sentence=sentence))
    if stored.opinion is not None and asked_again is not None:
        notes.append(_opinions(stored.opinion, asked_again))
        changed += _other_model(stored.opinion, asked_again.opinion)
    return changed, notes


def _other_model(then: Opinion, now: Opinion | None) -> Iterator[ChangedInput]:
    """Why opinions may differ; nothing, if none was given now."""
    if now is None:
        return
    if (then.model, then.revision) != (now.model, now.revision):
        was, is_ = (f"{opinion.model} (revision {opinion.revision})" for opinion in (then, now))
        sentence = f"the language model was {was} then and is {is_} now"
        yield ChangedInput(what="mllm", sentence=sentence)
    if then.prompts_version != now.prompts_version:
        versions = f"version {then.prompts_version} then and are {now.prompts_version} now"
        yield ChangedInput(what="prompts", sentence=f"the prompts were {versions}")


def _opinions(then: Opinion, inspection: Inspection) -> str:
    """How the opinion of then and that of now compare."""
    now = inspection.opinion
    if now is None:
        faults = "; ".join(inspection.faults) or "none is set, or the image is clearly normal now"
        return (
            f"the opinion of {then.model}, {_best(then)}, could not be asked for again ({faults}); "
            "the verdict is compared by what it said then"
        )
    same = (then.candidates, then.probabilities) == (now.candidates, now.probabilities)
    if same and (then.model, then.revision) == (now.model, now.revision):
        return f"the opinion of {then.model} is the same: {_best(then)}"
    return f"the opinion of {then.model} was {_best(then)}; that of {now.model} is {_best(now)}"


def _best(opinion: Opinion) -> str:
    share, name = max(zip(opinion.probabilities, opinion.candidates, strict=True))
    return f"{name} {share:.1%}"


def _comparable(inspection: Inspection) -> Any:
    """What the result of an inspection is, as it would be read from where it is stored."""
    text = slim(inspection).model_dump_json(exclude=APART)
    return json.loads(text, object_hook=_unpacked)


def _unpacked(value: dict[str, Any]) -> dict[str, Any]:
    """Of an array a hash of its contents: how they are packed differs between versions of zlib."""
    packed = value.pop("zlib_base64", None)
    if packed is not None:
        contents = zlib.decompress(base64.b64decode(packed))
        value["sha256"] = hashlib.sha256(contents).hexdigest()
    return value


def _differences(before: Any, after: Any, field: str = "") -> Iterator[Difference]:
    """All leaves that differ, in the order of the fields."""
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = {key: (before.get(key), after.get(key)) for key in before | after}
    elif isinstance(before, list) and isinstance(after, list):
        pairs = {str(i): pair for i, pair in enumerate(zip_longest(before, after))}
    else:
        # As text, so that no 1 equals a 1.0, and a NaN equals itself.
        texts = json.dumps(before), json.dumps(after)
        if texts[0] != texts[1]:
            yield Difference(field=field, before=_short(texts[0]), after=_short(texts[1]))
        return
    for key, (one, other) in pairs.items():
        yield from _differences(one, other, f"{field}.{key}" if field else key)


def _short(text: str) -> str:
    return text if len(text) <= MAX_TOLD else f"{text[:MAX_TOLD]}…"
