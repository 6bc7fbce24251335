"""Conversations with the embedded model and without: who finds what was asked for?

Each inspection is asked questions in wordings that nobody trained on and no pattern was written
for. An answer counts if it says what the evidence says on just that: the right verdict, place,
size, kind, or text of the knowledge file; on what no evidence tells, that nothing is known. The
same questions go to code alone and to code with the model, so the two shares are a pair. As code
sets its own lines beside what a model says, they go to code with a model that guesses, too: what
the model itself is worth is the difference from that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.nano import GROUPS, SEED, interval, unseen
from benchmarks.nano_lines import Examined, arguments, gathered
from benchmarks.nano_scoring import Wanted, says
from echo.dialogue import build_dialogue
from echo.progress import Progress
from echo.training.asking import lesson
from echo.training.lessons import Ask
from echo.training.wordings import Phrases
from experts.dialogue_partner import Partner
from experts.errors import EchoError
from experts.mllm import MLLM, Cost, Generation, Message, ScriptedMLLM
from experts.mllm.base import MAX_TOKENS
from experts.tools import Call
from experts.tools.scene import Looked, Scene

QUESTIONS = 12


class Told(NamedTuple):
    """A question and both answers.

    Attributes:
        line: Whose inspection.
        about: What is asked.
        question: Its words.
        wanted: What an answer must say.
        alone: What code says.
        guessing: What is said with a model that says any of the right sentences.
        together: What is said with the model.
    """

    line: str
    about: str
    question: str
    wanted: str
    alone: str
    guessing: str
    together: str


class Right(NamedTuple):
    """Whether each answer says what was asked for; as ``Told`` calls them."""

    alone: bool
    guessing: bool
    together: bool


class Guessing(ScriptedMLLM):
    """Says any of the sentences that may be said: what code adds to each answer stands even so."""

    sees = False

    def __init__(self) -> None:
        super().__init__((), name="guessing")
        self._rng = np.random.default_rng(SEED)

    def say(
        self,
        messages: Sequence[Message],
        sentences: Sequence[str],
        *,
        many: bool = False,
        max_tokens: int = MAX_TOKENS,
    ) -> Generation:
        """Any of them."""
        said = sentences[int(self._rng.integers(len(sentences)))]
        return Generation(said, "stop", Cost(prompt_tokens=0, answer_tokens=0))


def converse(
    model: MLLM, guessing: MLLM, examined: Examined, rng: np.random.Generator, said: Phrases
) -> Iterator[tuple[Ask, Told]]:
    """Put questions to all three."""
    asked: tuple[MLLM | None, ...] = (None, guessing, model)
    lessons = lesson(examined.known, examined.line, 2 * QUESTIONS, rng, said)
    asks = [ask for ask in lessons.asks if not ask.wrong and ask.about != "explain"]
    for ask in asks[:QUESTIONS]:
        answers = (spoken(examined, ask.question, one) for one in asked)
        yield ask, Told(examined.line, ask.about, ask.question, ask.answer, *answers)


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


def table(told: Sequence[tuple[Told, Right]]) -> Table:
    """Shares of answers that say what was asked for, by group."""
    shown = Table("", "questions", "code alone", "with guesses", "with the model")
    for group, topics in (*GROUPS.items(), ("all", None)):
        rows = [row for row in told if topics is None or row[0].about in topics]
        if rows:
            shown.add_row(
                group, str(len(rows)), *map(share, zip(*(right for _, right in rows), strict=True))
            )
    return shown


def share(right: Sequence[bool]) -> str:
    """How many are right, with the 95 % interval."""
    low, high = interval(sum(right), len(right))
    return f"{sum(right) / len(right):.1%} ({low:.0%} to {high:.0%})"


def answered(model: MLLM, examined: Sequence[Examined]) -> list[tuple[Told, Right]]:
    """Questions, the same for every model, and whether each answer says what was asked for.

    Args:
        model: The model.
        examined: The inspections that are asked about.

    Returns:
        For each question the answers, and whether they say it.
    """
    rng, said, guessing = np.random.default_rng(SEED + 1), unseen(), Guessing()
    told: list[tuple[Told, Right]] = []
    with Progress() as bars, bars.task("asking", len(examined)) as advance:
        for one in examined:
            for ask, row in converse(model, guessing, one, rng, said):
                wanted = Wanted(ask.about, ask.answer, one.known.inspection.verdict)
                spoke = (row.alone, row.guessing, row.together)
                told.append((row, Right(*(says(text, wanted) for text in spoke))))
            advance(1)
    return told


def run(model: MLLM, examined: Sequence[Examined], console: Console, *, failures: int) -> None:
    """Ask, and print the table; and so many questions of which the model's answer missed."""
    told = answered(model, examined)
    console.print(table(told))
    for row in [row for row, right in told if not right.together][:failures]:
        console.print(
            f"[{row.about}] {row.question}\n  wanted: {row.wanted}\n  said: {row.together}\n",
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
