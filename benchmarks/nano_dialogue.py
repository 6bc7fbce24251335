"""Conversations with the embedded model and without: who finds what was asked for?

Each inspection is asked questions in wordings that nobody trained on and no pattern was written
for. An answer counts if it says what the evidence says on just that: the right verdict, place,
size, kind, or text of the knowledge file; on what no evidence tells, that nothing is known. The
same questions go to code alone and to code with the model, so the two shares are a pair.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.nano import GROUPS, SEED, interval, unseen
from benchmarks.nano_lines import Examined, arguments, gathered
from echo.dialogue import build_dialogue
from echo.progress import Progress
from echo.training.asking import lesson
from echo.training.lessons import Ask
from echo.training.wordings import Phrases
from experts.answers.known import NOT_THERE
from experts.answers.telling import HELP, NOTHING
from experts.dialogue_partner import Partner
from experts.errors import EchoError
from experts.mllm import MLLM
from experts.sheet import NOT_KNOWN, restatements
from experts.sheet import NOTHING as NO_PLACE
from experts.tools import Call
from experts.tools.scene import Looked, Scene

QUESTIONS = 12
# Each says of one of these; the stems stand for the verdict however it is put.
_VERDICTS = {"accept": "accept", "reject": "reject", "review": "review|held|person"}
_OF_VERDICT = frozenset((*restatements(), "verdict", "next"))
_HEAD = re.compile(r"^(?:(?:Yes|No), )?(?:[A-Z][\w ]*? of [^:]+: |A good [^:]+: |[^:]+: )?")


class Told(NamedTuple):
    """A question and both answers.

    Attributes:
        line: Whose inspection.
        about: What is asked.
        question: Its words.
        wanted: What an answer must say.
        alone: What code says.
        together: What is said with the model.
    """

    line: str
    about: str
    question: str
    wanted: str
    alone: str
    together: str


def converse(
    model: MLLM, examined: Examined, rng: np.random.Generator, said: Phrases
) -> Iterator[tuple[Ask, Told]]:
    """Put questions to both."""
    lessons = lesson(examined.known, examined.line, 2 * QUESTIONS, rng, said)
    asks = [ask for ask in lessons.asks if not ask.wrong and ask.about != "explain"]
    for ask in asks[:QUESTIONS]:
        alone, together = (spoken(examined, ask.question, m) for m in (None, model))
        yield ask, Told(examined.line, ask.about, ask.question, ask.answer, alone, together)


def spoken(examined: Examined, question: str, model: MLLM | None) -> str:
    """What is said to a question, by code alone if there is no model."""
    partner = Partner(
        known=examined.known,
        model=lambda: model,
        tools=_NoTools(),
        scene=lambda: None,
        shown=lambda: (),
    )
    turns = build_dialogue(partner, None).invoke({"question": question})["turns"]
    return str(turns[-1]["text"])


class _NoTools:
    """There is no image to look at in a benchmark of words."""

    def use(self, call: Call, scene: Scene, number: int) -> Looked:
        raise LookupError(
            f"{call.tool}: look {number} was taken at {scene!r}, but nothing is shown"
        )


def says(answer: str, ask: Ask, examined: Examined) -> bool:
    """Whether an answer says what was asked for."""
    if ask.answer == NOT_KNOWN:
        told = (NOTHING, HELP, "no knowledge file", "is no kind of defect that the knowledge file")
        return answer.strip() in (NOT_KNOWN, NOT_THERE) or any(said in answer for said in told)
    if ask.about in _OF_VERDICT:
        verdict = examined.known.inspection.verdict
        return re.search(_VERDICTS[verdict], answer.casefold()) is not None
    if NO_PLACE.casefold().rstrip(".") in ask.answer.casefold():
        return re.search(r"nothing|no (single )?place|accept", answer.casefold()) is not None
    if ask.answer.endswith("that is not known."):
        return (
            re.search(r"not known|says nothing|no such|nothing in", answer.casefold()) is not None
        )
    words = _plain(answer)
    wanted = (_HEAD.sub("", part, count=1) for part in _parts(ask))
    return all(_plain(part) in words for part in wanted)


def _parts(ask: Ask) -> list[str]:
    """What must be found in an answer, piece by piece."""
    if ask.about.startswith(("where", "size", "looks")):
        pattern = r"(?:lies (?:at|in) the|is about|is (?=an? )) ?([^.]+)\."
        return [
            found
            for part in ask.answer.rstrip(".").split("; ")
            for found in re.findall(pattern, f"{part}.")
        ]
    if ask.about.startswith(("kind", "is_kind")):
        return re.findall(r"(?:taken for|may be) ([^.;]+)[.;]", ask.answer) or ["not"]
    if ask.about == "count":
        return ask.answer.split()[:1]
    if ask.about in ("kinds_known", "limit_of", "synonym_of"):
        return re.split(r"[,;] ", _HEAD.sub("", ask.answer, count=1).rstrip("."))
    if ask.about == "rule":
        return re.findall(r"`[^`]+`", ask.answer) or [ask.answer]
    return [ask.answer]


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def table(told: Sequence[tuple[Told, bool, bool]]) -> Table:
    """Shares of answers that say what was asked for, by group: code alone, and with the model."""
    shown = Table("", "questions", "code alone", "with the model")
    for group, topics in (*GROUPS.items(), ("all", None)):
        rows = [row for row in told if topics is None or row[0].about in topics]
        if rows:
            cells = [share([row[1] for row in rows]), share([row[2] for row in rows])]
            shown.add_row(group, str(len(rows)), *cells)
    return shown


def share(right: Sequence[bool]) -> str:
    """How many are right, with the 95 % interval."""
    low, high = interval(sum(right), len(right))
    return f"{sum(right) / len(right):.1%} ({low:.0%} to {high:.0%})"


def answered(model: MLLM, examined: Sequence[Examined]) -> list[tuple[Told, bool, bool]]:
    """Questions, the same for every model, and whether each answer says what was asked for.

    Args:
        model: The model.
        examined: The inspections that are asked about.

    Returns:
        For each question both answers; whether code's says it, and whether the model's does.
    """
    rng, said = np.random.default_rng(SEED + 1), unseen()
    told: list[tuple[Told, bool, bool]] = []
    with Progress() as bars, bars.task("asking", len(examined)) as advance:
        for one in examined:
            for ask, row in converse(model, one, rng, said):
                told.append((row, says(row.alone, ask, one), says(row.together, ask, one)))
            advance(1)
    return told


def run(model: MLLM, examined: Sequence[Examined], console: Console, *, failures: int) -> None:
    """Ask, and print the table; and so many questions of which the model's answer missed."""
    told = answered(model, examined)
    console.print(table(told))
    for row, _, right in [row for row in told if not row[2]][:failures]:
        console.print(
            f"[{row.about}] {row.question}\n  wanted: {row.wanted}\n  {right}: {row.together}\n",
            markup=False,
        )


def main() -> None:
    """Run from the command line."""
    parser = arguments(__doc__, images=20, worlds=40)
    parser.add_argument("--show", type=int, default=0, help="so many answers that missed")
    given = parser.parse_args()
    try:
        run(*gathered(given), Console(width=150), failures=given.show)
    except EchoError as error:
        raise SystemExit(f"nano_dialogue: {error}") from error


if __name__ == "__main__":
    main()
