"""How well the embedded model reads: lines that it never saw, in wordings that it never saw.

Each inspection is asked questions in wordings of ``nano_wordings.yaml``, which were written apart
from those that the model learned from; what stands in both is left out. What is right is computed
by code from the same evidence, so a figure tells whether the model reads, not whether the decoder
sees. Beside each figure stands its 95 % interval (Wilson 1927).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.nano_lines import Examined, arguments, gathered
from echo.progress import Progress
from echo.storage import write_bytes
from echo.training.asking import lesson
from echo.training.lessons import Ask
from echo.training.wordings import Phrases, phrases, plain
from experts.claims import check
from experts.errors import EchoError
from experts.grounding import ground, words_of
from experts.mllm import MLLM, Generation, Question
from experts.mllm.nano.texts import on_sheet, texts
from experts.mllm.texts import Texts, read_texts
from experts.sheet import explaining, sayable, sheet, with_quotes

MAX_TOKENS = 200
QUESTIONS = 14
SEED = 11
GROUPS = {
    "yes or no": ("defective", "flawless"),
    "ship or reject": ("ship", "hold_back", "scrap", "look_again", "verdict"),
    "place": ("where", "where_region", "any_place"),
    "size and looks": ("size", "size_region", "looks", "looks_region"),
    "count": ("count",),
    "kind": ("kind", "kind_region", "is_kind"),
    "rule": ("rule",),
    "facts of the card": (
        "appearance_of", "cause_of", "effect_of", "severity_of", "limit_of", "synonym_of",
        "normal", "product", "kinds_known",
    ),
    "not known": ("unknown",),
    "why and next": ("why", "next"),
}  # fmt: skip


_UNREAD = ("The product ", "Rule `", "Known kinds ")
Write = Callable[[MLLM, str, Examined], Generation]


class _Blind(Texts):
    """Wordings that were written apart from those that are learned from."""

    topics: dict[str, tuple[str, ...]]


class Asked(NamedTuple):
    """A question and what came of it.

    Attributes:
        line: Whose inspection.
        about: What it asks.
        chosen: Whether there were options.
        question: Its words.
        answer: What is right.
        said: What the model answered.
        right: Whether that is it.
    """

    line: str
    about: str
    chosen: bool
    question: str
    answer: str
    said: str
    right: bool


class Explained(NamedTuple):
    """What came of the sentences of an explanation.

    Attributes:
        line: Whose inspection.
        sentences: How many.
        contradicted: Those that contradict the evidence, as they came.
        left: Those that still do, of what an inspection would show.
        text: As it came.
        whole: Whether it came to its end.
    """

    line: str
    sentences: int
    contradicted: int
    left: int
    text: str
    whole: bool


def unseen() -> Phrases:
    """Wordings that stand nowhere among those that are learned from."""
    learned = phrases("train")
    known = {
        plain(w) for group in (learned.topics, learned.mmad) for ws in group.values() for w in ws
    }
    kept = {t: tuple(w for w in ws if plain(w) not in known) for t, ws in written().items()}
    return Phrases(kept, {})


def written() -> dict[str, tuple[str, ...]]:
    """All wordings that were written apart, by topic."""
    return read_texts("nano_wordings.yaml", _Blind, "benchmarks").topics


def ask(
    model: MLLM, examined: Examined, rng: np.random.Generator, said: Phrases
) -> Iterator[Asked]:
    """Ask about one inspection; explanations are for ``explain``."""
    page = sheet(examined.known)
    asks = lesson(examined.known, examined.line, QUESTIONS, rng, said).asks
    asks = tuple(a for a in asks if a.about != "explain")
    choosing = [a for a in asks if a.wrong]
    questions = [
        Question(a.question, tuple(rng.permutation([a.answer, *a.wrong]).tolist()))
        for a in choosing
    ]
    opening = on_sheet(page)
    for a, choice in zip(choosing, model.choose_each(opening, questions), strict=True):
        yield _asked(examined.line, a, choice.best)
    for a in asks:
        if not a.wrong:
            yield _asked(examined.line, a, answer(model, page, a.question, examined).text.strip())


def _asked(line: str, ask: Ask, said: str) -> Asked:
    return Asked(
        line, ask.about, bool(ask.wrong), ask.question, ask.answer, said, said == ask.answer
    )


def explain(model: MLLM, examined: Examined, write: Write) -> Explained:
    """Let the model explain one inspection, and compare each sentence with the evidence.

    What the check can read is compared here although it may be quoted: verdict, count and places,
    with their sizes and kinds. What it cannot (product, rules, names of kinds) is quoted or wrong.
    """
    said = explaining(examined.known)
    facts = with_quotes(examined.known.facts, [s for s in said if s.startswith(_UNREAD)])
    written = write(model, sheet(examined.known), examined)
    checked = check(written.text, facts)
    wrong = [s for s in checked.sentences if s.outcome in ("corrected", "dropped")]
    quoting = with_quotes(examined.known.facts, said)
    shown = ground(written.text, quoting, words_of(quoting)).text
    again = check(shown, facts).sentences if shown else ()
    left = [s for s in again if s.outcome in ("corrected", "dropped")]
    count = len(checked.sentences)
    whole = written.finish == "stop"
    return Explained(examined.line, count, len(wrong), len(left), written.text, whole)


def answer(model: MLLM, page: str, question: str, examined: Examined) -> Generation:
    """An answer as in conversations: the sentence that fits, of those that are right."""
    return model.say(on_sheet(page, question), sayable(examined.known), max_tokens=MAX_TOKENS)


def write_as_at_work(model: MLLM, page: str, examined: Examined) -> Generation:
    """An explanation as in inspections: of sentences that are right."""
    sentences = explaining(examined.known)
    asked = on_sheet(page, texts().explain)
    return model.say(asked, sentences[1:], many=True, max_tokens=MAX_TOKENS)


def write_freely(model: MLLM, page: str, _: Examined) -> Generation:
    """An explanation in words that nothing holds."""
    return model.generate(on_sheet(page, texts().explain), max_tokens=MAX_TOKENS)


def interval(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if not count:
        return 0.0, 1.0
    p, d = right / count, 1 + z * z / count
    centre = (p + z * z / (2 * count)) / d
    half = z / d * np.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return float(centre - half), float(centre + half)


def table(results: Sequence[Asked]) -> Table:
    """Shares of right answers by group and line."""
    lines = list(dict.fromkeys(r.line for r in results))
    shown = Table("", "", *lines, "all")
    for group, topics in GROUPS.items():
        for chosen in (True, False):
            of_group = [r for r in results if r.about in topics and r.chosen is chosen]
            if of_group:
                cells = [_cell([r for r in of_group if r.line == line]) for line in lines]
                shown.add_row(group, "chosen" if chosen else "written", *cells, _cell(of_group))
    shown.add_row(
        "all", "", *(_cell([r for r in results if r.line == x]) for x in lines), _cell(results)
    )
    return shown


def _cell(results: Sequence[Asked]) -> str:
    if not results:
        return "–"
    right = sum(r.right for r in results)
    low, high = interval(right, len(results))
    return f"{right / len(results):.1%} ({low:.0%} to {high:.0%}, {len(results)})"


def run(
    model: MLLM, examined: Sequence[Examined], out: Path, console: Console, write: Write
) -> None:
    """Ask, let explain, print tables, and write all answers.

    Args:
        model: The model.
        examined: The inspections.
        out: Folder of the results.
        console: Where tables are printed.
        write: How the model writes.
    """
    said, rng = unseen(), np.random.default_rng(SEED)
    asked: list[Asked] = []
    explained: list[Explained] = []
    with Progress() as bars, bars.task("asking", len(examined)) as advance:
        for one in examined:
            asked += ask(model, one, rng, said)
            explained.append(explain(model, one, write))
            advance(1)
    out.mkdir(parents=True, exist_ok=True)
    rows = chain((a._asdict() for a in asked), (e._asdict() for e in explained))
    write_bytes(out / "answers.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows).encode())
    console.print(table(asked))
    console.print(_explanations(explained))


def _explanations(explained: Sequence[Explained]) -> Table:
    shown = Table(
        "explanations", "written", "sentences", "contradicted", "after the check", "cut off"
    )
    by_line: dict[str, list[Explained]] = defaultdict(list)
    for one in explained:
        by_line[one.line].append(one)
        by_line["all"].append(one)
    for line in [*(key for key in by_line if key != "all"), "all"]:
        of_line = by_line[line]
        count = sum(e.sentences for e in of_line)
        wrong, left = (sum(getattr(e, name) for e in of_line) for name in ("contradicted", "left"))
        share = f"{wrong} ({wrong / max(1, count):.2%})"
        cut = sum(not e.whole for e in of_line)
        shown.add_row(line, str(len(of_line)), str(count), share, str(left), str(cut))
    return shown


def main() -> None:
    """Run from the command line."""
    parser = arguments(__doc__, images=40, worlds=100)
    parser.add_argument("--free", action="store_true", help="let it write in words of its own")
    parser.add_argument("--out", type=Path, default=Path("bench-out/nano"))
    given = parser.parse_args()
    try:
        write = write_freely if given.free else write_as_at_work
        run(*gathered(given), given.out, Console(width=150), write)
    except EchoError as error:
        raise SystemExit(f"nano: {error}") from error


if __name__ == "__main__":
    main()
