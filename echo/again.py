"""Replays a stored inspection: the same result, bit by bit, or which of its inputs changed?

The image is inspected by the line as it is now, by the rules of then where they are kept, on as
many threads as then. Of a language model its opinion of then is heard again, so the verdict is the
same without it. The model itself, which may be gone, is asked apart: ``echo.asked_again``.
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
from typing import Any, Literal, NamedTuple

from echo import __version__
from echo.asked_again import ask_again
from echo.history import Archive, archive_of, learned_sha256, slim
from echo.inputs import Roster, changes
from echo.inspector import Inspector, Then
from echo.line import ProductLine
from echo.machine import as_many_threads_as
from echo.record import Record, split_id
from echo.rules import Rules
from echo.rules_then import FixedRules, knowledge_of_then
from experts.decoder.conformal import percent
from experts.decoder.encoder import load_encoder
from experts.errors import EchoError, ImageError, KnowledgeError
from experts.evidence import Evidence, Inspection, Verdict
from experts.images import NO_FILES, ImageSource, Picture, read_picture
from experts.mllm import MLLM

Input = Literal["image", "line", "knowledge", "view", "alpha", "encoder", "echo", "machine"]

# What is not compared: what the image is called, how long it took, versions, of which sentences
# tell, and what a language model wrote or asked to see.
APART = {"image", "timings_ms", "faults", "versions", "looks", "explanation"}
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
    id: str,
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
    judged_by = _rules_of_then(line, record, archive)
    then = Then(judged_by.rules, stored.opinion, stored.versions.cases)
    changed = [
        ChangedInput(what=what, sentence=sentence)
        for what, sentence in _changed(line, record, stored, archive, picture, judged_by)
    ]
    try:
        with as_many_threads_as(stored.versions.machine):
            now = Inspector(
                line,
                keep=False,
                mllm="none",
                causes=stored.cause is not None,
                then=then,
            ).inspect_picture(picture, view=record.asked)
            asked = ask_again(stored, line, picture, then, view=record.asked, mllm=mllm)
    except EchoError as error:
        if not changed:
            raise
        return _told(record, None, f"cannot be inspected any more: {error}", changed, (), ())
    differences = list(_differences(_comparable(stored), _comparable(now)))
    more, notes = _on_machines(stored, now, same=not differences)
    notes = [*judged_by.notes, *notes, *asked]
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


class _RulesOfThen(NamedTuple):
    """The rules that an inspection was judged by; where they are lost, those in force now.

    Attributes:
        rules: They.
        lost: What became of them, if they are lost.
        notes: Which are in force now, if others are.
    """

    rules: Rules
    lost: str | None = None
    notes: tuple[str, ...] = ()


def _rules_of_then(line: ProductLine, record: Record, archive: Archive) -> _RulesOfThen:
    in_force = Rules(line)
    in_force.refresh()
    then, now = record.knowledge_sha256, in_force.sha256
    stay = FixedRules(line, in_force.knowledge, now)
    if then == now:
        return _RulesOfThen(stay)
    try:
        knowledge = knowledge_of_then(line, archive, then)
    except KnowledgeError as error:
        lost = f"the rules were {_revision(then)} then, {error}, and are {_revision(now)} now"
        return _RulesOfThen(stay, lost)
    how = f"by the rules of then, {_revision(then)}" if then else "without rules, as then"
    others = f"in force is {_revision(now)}" if now else "none are in force"
    note = f"it is judged {how}; now {others}"
    return _RulesOfThen(FixedRules(line, knowledge, then), notes=(note,))


def _revision(sha256: str | None) -> str:
    return f"revision {sha256[:8]}" if sha256 else "none"


def _changed(
    line: ProductLine,
    record: Record,
    stored: Inspection,
    archive: Archive,
    picture: Picture,
    judged_by: _RulesOfThen,
) -> Iterator[tuple[Input, str]]:
    """Which inputs are others, as far as can be told before the image is inspected."""
    then = stored.versions
    if picture.sha256 != record.image_sha256:
        yield "image", f"the pixels of the image are others ({_hashes(record, picture)})"
    # The second would also differ where this Echo describes lines otherwise than that of then.
    if then.line_sha256 != line.sha256 and record.learned_sha256 != learned_sha256(line.manifest):
        for what in _line_changes(archive.roster(record.learned_sha256), line):
            yield "line", f"line {line.name!r} {what}"
    if judged_by.lost:
        yield "knowledge", judged_by.lost
    asked, knowledge = record.asked, judged_by.rules.knowledge
    if asked is not None and not (knowledge and knowledge.view_named(asked)):
        yield "view", f"the image was said to show view {asked!r}, which the rules do not name now"
    if record.alpha != (alpha := judged_by.rules.alpha):
        yield "alpha", f"alpha was {percent(record.alpha)} then and is {percent(alpha)} now"
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


def _on_machines(
    stored: Inspection, now: Inspection, *, same: bool
) -> tuple[list[ChangedInput], list[str]]:
    """What rounds otherwise: a changed input, or a note where that is not known."""
    then, here = stored.versions.machine, now.versions.machine
    rounding = "another machine may round the last digits otherwise"
    if same:
        return [], []
    if then is None or here is None:
        return [], [f"on which machine it was computed was not noted then; {rounding}"]
    if then == here:
        return [], []
    sentence = f"it was computed on {then.in_words} then, on {here.in_words} now; {rounding}"
    return [ChangedInput(what="machine", sentence=sentence)], []


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
