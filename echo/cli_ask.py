"""The command ``echo-iad ask``: a conversation about one inspection."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from echo.cli_common import STYLES, Home, Json, Mllm, cell, say_aside
from experts.errors import HistoryError, QuestionError

if TYPE_CHECKING:
    from echo.conversation import Conversation
    from echo.inspector import Inspector
    from echo.line import ProductLine
    from experts.dialogue import Answer
    from experts.evidence import Inspection
    from experts.images import Picture

EPILOG = 'Example: echo-iad ask washer photos/new/0001.png --question "How large is it?"'
# Of a conversation that goes on, so many turns are shown again.
SHOWN_AGAIN = 2


def ask(
    what: Annotated[
        str, typer.Argument(metavar="LINE|ID", help="Name of the line; or a stored inspection.")
    ],
    image: Annotated[
        str | None,
        typer.Argument(help="The image; of a stored inspection only if it is no longer there."),
    ] = None,
    question: Annotated[
        list[str] | None, typer.Option(help="Ask this, and end; may be given several times.")
    ] = None,
    view: Annotated[
        str | None, typer.Option(help="Which view of the knowledge file the image shows.")
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Begin a new conversation.")] = False,
    mllm: Mllm = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Ask about an inspection, in English or German; in any language that the language model knows.

    Without --question it asks you for questions, until an empty line. An image that was not
    inspected before is inspected first.
    """
    from echo.inspector import Inspector
    from echo.line import ProductLine
    from experts.images import read_picture

    _check_questions(question or ())
    if image is None and ":" not in what:
        raise typer.BadParameter("Name an image, or a stored inspection such as washer:17.")
    line = ProductLine.load(what.partition(":")[0], home=home)
    inspector = Inspector(line, mllm=mllm)
    picture = read_picture(image) if image is not None else None
    if picture is not None and ":" not in what:
        inspection = _inspected(inspector, line, picture, view)
    else:
        inspection = _stored(what, home)
    talk = inspector.converse(inspection, new=new, picture=picture)
    if not as_json:
        _begin(talk, new=new)
    _Run(talk, as_json=as_json).ask_all(question)


def _check_questions(given: Sequence[str]) -> None:
    """Refuse what cannot be asked, before anything is inspected; of several it is said which.

    Raises:
        QuestionError: If one of them is empty or too long.
    """
    from experts.dialogue import plain_question

    for number, question in enumerate(given, start=1):
        try:
            plain_question(question)
        except QuestionError as error:
            if len(given) == 1:
                raise
            raise QuestionError(f"of {len(given)} questions number {number}: {error}") from error


def _stored(identifier: str, home: Path | None) -> Inspection:
    """The stored inspection of that id."""
    from echo.history import archive_of
    from echo.record import split_id

    name, number = split_id(identifier)
    return archive_of(name, home).record(number).inspection()


def _inspected(
    inspector: Inspector, line: ProductLine, picture: Picture, view: str | None
) -> Inspection:
    """The inspection of an image: the stored one, if it would come out the same, or a new one."""
    from echo.rules import Rules
    from echo.subject import stored_as

    rules = Rules(line)
    rules.refresh()
    try:
        if record := stored_as(line, rules, picture.sha256, view):
            return record.inspection()
    except HistoryError as error:
        say_aside(f"echo-iad: {error}")
    with _waiting("Inspecting"):
        return inspector.inspect_picture(picture, view=view)


def _begin(talk: Conversation, *, new: bool) -> None:
    """Say what it is about, and what was said last."""
    inspection = talk.inspection
    name, verdict = cell(Path(inspection.image).name), inspection.verdict
    head = f"{inspection.id} " if inspection.id else ""
    styled = f"[{STYLES[verdict]}]{verdict}[/]"
    _print(f"{head}{name}: {styled}: {cell(inspection.decision.reason)}")
    for fault in inspection.faults:
        say_aside(f"echo-iad: {fault}")
    turns = talk.turns
    if new and inspection.id:
        _print("[dim]A new conversation; the former ones are kept.[/]")
    if not turns:
        return
    count = "1 question was" if len(turns) == 1 else f"{len(turns)} questions were"
    _print(f"[dim]{count} answered before; begin anew with --new. The last:[/]")
    for turn in turns[-SHOWN_AGAIN:]:
        _print(f"[dim]> {cell(turn.question)}\n{cell(turn.text)}[/]")


class _Run:
    """Questions and answers on the screen."""

    def __init__(self, talk: Conversation, *, as_json: bool) -> None:
        self._talk, self._as_json = talk, as_json
        # What is wrong with the inspection was told at the beginning.
        self._told = set[str]() if as_json else set(talk.inspection.faults)

    def ask_all(self, given: list[str] | None) -> None:
        """Ask what was given on the command line, or what a person types."""
        if given:
            for question in given:
                self._ask(question, told=not self._as_json)
            return
        for question in _typed(show=not self._as_json):
            try:
                self._ask(question)
            except QuestionError as error:
                say_aside(f"echo-iad: {error}")
            except KeyboardInterrupt:
                say_aside("Not answered.")

    def _ask(self, question: str, *, told: bool = False) -> None:
        with _waiting("Looking into it"):
            answer = self._talk.ask(question)
        if told:
            _print(f"[dim]> {cell(answer.question)}[/]")
        if self._as_json:
            inspection = self._talk.inspection
            row = {"id": inspection.id, "image": inspection.image, "verdict": inspection.verdict}
            typer.echo(json.dumps({**row, **answer.model_dump(mode="json")}))
        else:
            _show(answer)
        for fault in answer.faults:
            if fault not in self._told:
                self._told.add(fault)
                say_aside(f"echo-iad: {fault}")


def _show(answer: Answer) -> None:
    """An answer as it was checked, and below it what a model made of it in another language."""
    _print(cell(answer.text))
    if answer.translation is not None:
        begin = f"In {answer.language}, by the language model; only the above is checked:"
        _print(f"[dim]{cell(begin)}[/]\n{cell(answer.translation)}")
    if answer.evidence_ids:
        by = f"; in the words of {answer.model}" if answer.model else ""
        _print(f"[dim]From {cell(', '.join(answer.evidence_ids) + by)}[/]")


def _typed(*, show: bool) -> Iterator[str]:
    """What a person types, until an empty line or the end."""
    watched = show and sys.stdin.isatty()
    if watched:
        _print("[dim]Ask; an empty line ends.[/]")
    while True:
        try:
            line = input("> " if watched else "")
        except (EOFError, KeyboardInterrupt):
            if watched:
                _print("")
            return
        if not line.strip():
            return
        yield line


@contextlib.contextmanager
def _waiting(what: str) -> Iterator[None]:
    """Show that something is under way, where somebody watches.

    What a model writes is shown once it is checked, not as it comes.
    """
    if not sys.stderr.isatty():
        yield
        return
    with Console(stderr=True).status(f"{what} …"):
        yield


def _print(text: str) -> None:
    Console().print(text, highlight=False)
