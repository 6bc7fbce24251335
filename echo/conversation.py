"""Conversations about inspections: what they are about, and where they are kept.

A conversation about a stored inspection is a thread of LangGraph's checkpoints, see
``echo.threads``: an answer that is complete stays, whatever happens to the process. About an
inspection that was not stored it lasts as long as its inspector.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from echo.language import Language
from echo.line import ProductLine
from echo.rules import Rules
from echo.subject import Subject, made_and_judged, rules_of
from experts.answers import Known
from experts.dialogue import Answer, plain_question
from experts.dialogue_partner import DialogueState, Partner
from experts.errors import HistoryError, ImageError
from experts.evidence import Inspection
from experts.images import NO_FILES, Picture, read_picture
from experts.tools.scene import Equipment

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.sqlite import SqliteSaver

# Of these, so many of the last ones are kept, so that they can be asked about.
MAX_PICTURES = 4
# So many conversations about inspections that were not stored are kept.
MAX_CONVERSATIONS = 100

_THREADS = "SELECT DISTINCT thread_id FROM checkpoints WHERE thread_id = ?1 OR thread_id GLOB ?2"
_TIDY = (
    "DELETE FROM writes WHERE thread_id = ?1 AND checkpoint_id < "
    "(SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ?1)",
    "DELETE FROM checkpoints WHERE thread_id = ?1 AND checkpoint_id < "
    "(SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ?1)",
)


class Conversations:
    """The conversations of one inspector.

    Args:
        line: The product line.
        language: Opens the language model that is set, if one is.
    """

    def __init__(self, line: ProductLine, language: Language) -> None:
        self._line, self._language = line, language
        self._pictures: deque[Picture] = deque(maxlen=MAX_PICTURES)
        self._turns: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()

    def remember(self, picture: Picture) -> None:
        """Keep a picture that was not given as a file, so that it can be looked at again."""
        if picture.name in NO_FILES:
            self._pictures.append(picture)

    def about(
        self,
        inspection: Inspection,
        equipment: Equipment,
        rules: Rules,
        *,
        picture: Picture | None = None,
        new: bool = False,
    ) -> Conversation:
        """The conversation about an inspection, where it ended, or a new one.

        Args:
            inspection: What it is about.
            equipment: For closer looks.
            rules: Those that are in force.
            picture: The image, if it is no longer where it was.
            new: Whether it begins anew; the former one is kept.

        Raises:
            ImageError: If the image that is given is another one.
        """
        shown = self._picture_of(inspection, picture)
        knowledge, faults = rules_of(inspection, self._line, rules)
        if knowledge is not rules.knowledge:
            alpha = self._line.manifest.alpha_by(knowledge)
            equipment = replace(equipment, knowledge=knowledge, alpha=alpha)
        subject = Subject(self._line, inspection, shown, equipment)
        time, judged = made_and_judged(self._line, inspection)
        partner = Partner(
            known=Known(subject.inspection, knowledge, equipment.alpha, time=time, judged=judged),
            model=self._language.model,
            tools=_toolbox(equipment),
            scene=lambda: subject.scene,
            shown=lambda: subject.shown,
            unseen=subject.unseen,
        )
        if inspection.id is not None:
            return Conversation(self._line, subject.inspection, partner, faults, new=new)
        turns = self._spoken(inspection, new=new)
        return Conversation(self._line, subject.inspection, partner, faults, turns=turns)

    def _spoken(self, inspection: Inspection, *, new: bool) -> list[dict[str, Any]]:
        """What was said of an inspection that was not stored, to be added to."""
        versions = inspection.versions
        said = (versions.image_sha256, versions.line_sha256, versions.knowledge_sha256)
        key = hashlib.sha256(repr((*said, inspection.decision)).encode()).hexdigest()
        turns = [] if new else self._turns.pop(key, [])
        self._turns[key] = turns
        if len(self._turns) > MAX_CONVERSATIONS:
            self._turns.popitem(last=False)
        return turns

    def _picture_of(self, inspection: Inspection, given: Picture | None) -> Picture | None:
        """The image that was inspected, if it is at hand: the same, pixel by pixel."""
        wanted = inspection.versions.image_sha256
        if given is not None and given.sha256 != wanted:
            which = inspection.id or f"the inspection of {inspection.image}"
            raise ImageError(
                f"{given.name}: shows something else than {which} was made of; give the image that "
                "was inspected then, or none"
            )
        for picture in ([given] if given else []) + list(self._pictures):
            if picture.sha256 == wanted:
                return picture
        if inspection.image in NO_FILES:
            return None
        try:
            picture = read_picture(inspection.image)
        except ImageError:
            return None
        return picture if picture.sha256 == wanted else None


class Conversation:
    """A conversation about one inspection; see ``Inspector.converse``.

    Attributes:
        inspection: What it is about, with all that was found out.
        thread: Under which name it is kept; empty if it is not.

    Args:
        line: The product line.
        inspection: What it is about.
        partner: Who is asked.
        faults: What is wrong from the beginning; told with each answer.
        new: Whether it begins anew.
        turns: What was said, if it is not kept on disk; it is added to.
    """

    def __init__(
        self,
        line: ProductLine,
        inspection: Inspection,
        partner: Partner,
        faults: Sequence[str] = (),
        *,
        new: bool = False,
        turns: list[dict[str, Any]] | None = None,
    ) -> None:
        self.inspection = inspection
        self._line, self._partner, self._faults = line, partner, tuple(faults)
        self._turns: list[dict[str, Any]] = [] if turns is None else turns
        self.thread = ""
        if turns is None:
            self._open(new=new)

    @property
    def turns(self) -> tuple[Answer, ...]:
        """What was asked and answered, oldest first."""
        return tuple(Answer.model_validate(turn) for turn in self._turns)

    def ask(self, question: str) -> Answer:
        """Ask something about the inspection.

        Args:
            question: In English or German; in any language if a language model is set.

        Raises:
            QuestionError: If it is empty or too long.
        """
        line, faults = plain_question(question), self._faults
        if self.thread:
            try:
                with self._threads() as threads:
                    return self._said(self._run(line, threads), faults)
            except HistoryError as error:
                faults = (*faults, _unkept(error))
        return self._said(self._run(line, None), faults)

    def _said(self, turns: list[dict[str, Any]], faults: Sequence[str]) -> Answer:
        self._turns[:] = turns
        answer = Answer.model_validate(turns[-1])
        return answer.model_copy(update={"faults": (*faults, *answer.faults)})

    def _run(self, question: str, threads: SqliteSaver | None) -> list[dict[str, Any]]:
        """Answer a question; gives all turns. What is on disk goes before what is in memory."""
        from echo.dialogue import build_dialogue

        graph = build_dialogue(self._partner, threads)
        given: DialogueState = {"question": question}
        if threads is None:
            state = graph.invoke({**given, "turns": list(self._turns)})
        else:
            # One checkpoint for each answer, when it is complete: one that was cut off is dropped.
            config: RunnableConfig = {"configurable": {"thread_id": self.thread}}
            state = graph.invoke(given, config, durability="exit")
            _forget_before(threads, self.thread)
        turns: list[dict[str, Any]] = state["turns"]
        return turns

    def _open(self, *, new: bool) -> None:
        """Find the thread, and what was said in it."""
        try:
            with self._threads() as threads:
                self.thread = _thread_of(self.inspection, threads, new=new)
                self._turns = _turns_in(threads, self.thread)
        except HistoryError as error:
            self.thread = ""
            self._faults = (*self._faults, _unkept(error))

    @contextmanager
    def _threads(self) -> Iterator[SqliteSaver]:
        from echo.threads import open_threads

        with open_threads(self._line.name, self._line.home) as threads:
            yield threads


def _toolbox(equipment: Equipment) -> Any:
    from experts.tools.toolbox import Toolbox

    return Toolbox(equipment)


def _unkept(error: Exception) -> str:
    return f"this conversation is not kept: {error}"


def _thread_of(inspection: Inspection, threads: SqliteSaver, *, new: bool) -> str:
    """Of the threads about an inspection the newest, or the next one."""
    first = f"ask {inspection.id}"
    with threads.cursor(transaction=False) as cursor:
        found = cursor.execute(_THREADS, (first, f"{first}/[0-9]*")).fetchall()
    numbers = [int(thread.partition("/")[2] or 1) for (thread,) in found]
    number = max(numbers, default=0) + (1 if new else 0)
    return first if number <= 1 else f"{first}/{number}"


def _turns_in(threads: SqliteSaver, thread: str) -> list[dict[str, Any]]:
    """What was said in a thread."""
    try:
        kept = threads.get_tuple({"configurable": {"thread_id": thread}})
        turns = kept.checkpoint["channel_values"].get("turns", []) if kept else []
        return [Answer.model_validate(turn).model_dump(mode="json") for turn in turns]
    # What is read may be anything, if the file is damaged.
    except Exception as error:
        raise HistoryError(
            f"{thread}: this conversation cannot be read any more "
            f"({type(error).__name__}); begin a new one: --new"
        ) from error


def _forget_before(threads: SqliteSaver, thread: str) -> None:
    """Of a thread only the newest checkpoint is needed; each holds all turns."""
    with threads.cursor() as cursor:
        for statement in _TIDY:
            cursor.execute(statement, (thread,))
