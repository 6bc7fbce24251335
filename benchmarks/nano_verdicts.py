"""Whether what the embedded model says ever differs from the Decision Maker.

Each inspection is asked whether the part is defective, good or scrap, may go on, must be held back
or looked at by a person, in wordings that nobody trained on: in conversation, and as a question
with the options yes and no. An answer differs if it tells another verdict, or says yes or no where
the verdict says the opposite of what was asked. In conversation code writes whatever a model may
say, so that none differs is how it is built, and is looked at here from outside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.nano import SEED, interval, unseen
from benchmarks.nano_dialogue import spoken
from benchmarks.nano_lines import Examined, arguments, gathered
from benchmarks.nano_scoring import STEMS, first_told, restated
from echo.progress import Progress
from echo.storage import writable_folder, write_bytes
from echo.training.wordings import filled
from experts.errors import EchoError
from experts.evidence import Verdict
from experts.mllm import MLLM, Question
from experts.mllm.nano.texts import on_sheet
from experts.sheet import Deciding, decides, part_of, restatements, sheet

YES_NO = "Yes", "No"
_SAYS = re.compile(r"(Yes|No)(?:[.,:;!]|$)")


class Asked(NamedTuple):
    """A question and what came of it.

    Attributes:
        line: Whose inspection.
        about: What it asks.
        question: Its words.
        verdict: Of the Decision Maker.
        said: The answer in conversation.
        differs: Whether it differs from the verdict.
        tells: Whether it tells the verdict, or yes or no to what was asked.
        chosen: Whether yes or no was chosen rightly; ``None`` where neither is decided.
    """

    line: str
    about: Deciding
    question: str
    verdict: Verdict
    said: str
    differs: bool
    tells: bool
    chosen: bool | None


def ask(
    model: MLLM,
    examined: Examined,
    rng: np.random.Generator,
    each: int,
    said_of: Mapping[str, Sequence[str]],
) -> Iterator[Asked]:
    """Ask ``each`` questions of every topic about one inspection, in wordings of the topic."""
    known, verdict = examined.known, examined.known.inspection.verdict
    names = {
        "part": part_of(known),
        "product": known.knowledge.file.product if known.knowledge else "part",
    }
    for topic in restatements():
        wordings = rng.permutation(said_of[topic])[:each].tolist()
        questions = [filled(wording, **names) for wording in wordings]
        is_so = decides(topic, verdict)
        options = [Question(q, tuple(rng.permutation(YES_NO).tolist())) for q in questions]
        choices = model.choose_each(on_sheet(sheet(known)), options)
        for question, choice in zip(questions, choices, strict=True):
            said = spoken(examined, question, model)
            right = None if is_so is None else choice.best == YES_NO[not is_so]
            yield Asked(
                examined.line, topic, question, verdict, said,
                differs(said, topic, verdict), tells(said, topic, verdict), right,
            )  # fmt: skip


def differs(said: str, topic: Deciding, verdict: Verdict) -> bool:
    """Whether any line of an answer differs from the verdict."""
    return any(_line_differs(line, topic, verdict) for line in said.splitlines())


def _line_differs(line: str, topic: Deciding, verdict: Verdict) -> bool:
    # What restates a question answers that one, and not the one that was asked.
    topic, rest = restated(line) or (topic, line)
    if first_told(rest) not in (None, verdict):
        return True
    is_so, found = decides(topic, verdict), _SAYS.match(rest)
    return found is not None and is_so is not None and found[1] != YES_NO[not is_so]


def tells(said: str, topic: Deciding, verdict: Verdict) -> bool:
    """Whether an answer tells the verdict, or answers what was asked in plain words."""
    return restates(said, topic) or re.search(STEMS[verdict], said.casefold()) is not None


def restates(said: str, topic: Deciding) -> bool:
    """Whether a line of an answer stands behind the very question that was asked, put plainly."""
    return any((restated(line) or ("", ""))[0] == topic for line in said.splitlines())


def table(results: Sequence[Asked]) -> Table:
    """By line: answers that differ, answers that tell it, and yes or no that was chosen rightly."""
    shown = Table("", "questions", "differ", "tell the verdict", "restate it", "yes or no, chosen")
    lines = list(dict.fromkeys(r.line for r in results))
    topics = list(restatements())
    groups = [(line, [r for r in results if r.line == line]) for line in lines]
    groups += [(topic, [r for r in results if r.about == topic]) for topic in topics]
    for name, rows in (*groups, ("all", list(results))):
        shown.add_row(
            name,
            str(len(rows)),
            str(sum(r.differs for r in rows)),
            _share([r.tells for r in rows]),
            _share([restates(r.said, r.about) for r in rows]),
            _share([r.chosen for r in rows if r.chosen is not None]),
        )
    return shown


def _share(right: Sequence[bool]) -> str:
    low, high = interval(sum(right), len(right))
    return f"{sum(right) / max(1, len(right)):.1%} ({low:.0%} to {high:.0%}, {len(right)})"


def main() -> None:
    """Run from the command line."""
    parser = arguments(__doc__, images=40, worlds=40)
    parser.add_argument("--each", type=int, default=1, help="questions of a topic and inspection")
    parser.add_argument("--out", type=Path, default=Path("bench-out/nano"))
    given = parser.parse_args()
    try:
        model, every = gathered(given)
        rng, results, blind = np.random.default_rng(SEED), list[Asked](), unseen().topics
        with Progress() as bars, bars.task("asking", len(every)) as advance:
            for one in every:
                results += ask(model, one, rng, given.each, blind)
                advance(1)
        Console(width=150).print(table(results))
        rows = "".join(f"{json.dumps(row._asdict())}\n" for row in results)
        write_bytes(writable_folder(given.out) / "verdicts.jsonl", rows.encode())
    except EchoError as error:
        raise SystemExit(f"nano_verdicts: {error}") from error


if __name__ == "__main__":
    main()
