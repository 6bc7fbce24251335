"""Who is asked about an inspection: reads the question, looks closer, answers, checks, translates.

Its methods are what the nodes of the graph do, on states of plain dicts, lists and texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, TypedDict, get_args

from experts.answers import NOT_THERE, Asked, Before, Known, Told, Topic, read_question, tell
from experts.answers.knowing import answered, from_knowledge, kinds_named
from experts.answers.places import size
from experts.answers.telling import NOTHING
from experts.dialogue import MAX_LOOKS, Answer, Tools
from experts.dialogue_checking import fits, grounded, unknown
from experts.dialogue_model import Asking, ask, ask_reader, translate
from experts.evidence import Look
from experts.grounding import Grounded
from experts.mllm import MLLM, Content
from experts.mllm.dialogue_prompts import dialogue_prompts
from experts.mllm.nano.texts import texts
from experts.opinion import name_of, revision_of
from experts.plain_text import plain, without
from experts.sheet import NOT_KNOWN, decided_lines, part_of, restated
from experts.tools import Call
from experts.tools.scene import Scene

# The oldest turns of a long conversation go.
MAX_TURNS = 200
NO_IMAGE = "The image is not at hand any more, so this place cannot be looked at again."
# Of these a page for a model that sees nothing tells all that code could say without a closer look.
_ON_PAGES: frozenset[Topic] = frozenset({"verdict", "where", "kind", "size", "count"})
# "So, may it go on?" stands for itself, "so what?" and "so, and how large?" do not.
_TAKES_UP = re.compile(
    r"\s*(?:so\b\W*)?(?:and|but|or|then|(?:what|how) about)\b|\s*so\b\W*(?:\w+\W*){0,2}$",
    re.IGNORECASE,
)
# No page tells of other parts, so of them nothing is known, whatever became of this one.
_OF_ANOTHER = (
    r"\s*(?:is|was|are|were|did|does|has|have|will|what became of|what about|how (?:is|was|about))"
    r"\s+(?:the|our|your)\s+(?:next|previous|following|neighbou?ring|earlier|later|other)\s+"
    r"(?:part|unit|product|lot|batch|{part})(?:s|es)?\b"
)
_OF_THIS = re.compile(r"\b(?:it|its|this|these|here|region)\b", re.IGNORECASE)
_LANGUAGE = re.compile(r"[^\W\d_]{2,20}(?: [^\W\d_]{2,20}){0,2}")


class DialogueState(TypedDict, total=False):
    """What is kept of a conversation: plain dicts, lists, texts and numbers.

    Attributes:
        turns: What was asked and answered, oldest first; appended to when an answer is complete.
        question: What is asked now.
        calls: The closer looks that were asked for so far.
        call: The one that is asked for now.
        looks: Those that were taken for this question.
        said: What the language model said.
        language: That of the question, as the language model calls it.
        model: The language model that spoke; empty if none did.
        faults: What went wrong.
        answer: What was checked.
    """

    turns: list[dict[str, Any]]
    question: str
    calls: list[dict[str, Any]]
    call: dict[str, Any] | None
    looks: list[dict[str, Any]]
    said: str
    language: str
    model: str
    faults: list[str]
    answer: dict[str, Any]


@dataclass
class Partner:
    """Answers questions about one inspection.

    Attributes:
        known: What is known of it.
        model: Gives the language model, or ``None`` if none is set.
        tools: Takes closer looks.
        scene: Gives what they are taken at, or ``None`` if there is nothing to look at.
        shown: Gives the headings and images that a model is shown.
        unseen: Why there is nothing to look at, in a sentence, if there is not.
    """

    known: Known
    model: Callable[[], MLLM | None]
    tools: Tools
    scene: Callable[[], Scene | None]
    shown: Callable[[], Sequence[Content]]
    unseen: str = NO_IMAGE
    _seen: list[Content] = field(default_factory=list)

    def recall(self, state: DialogueState) -> DialogueState:
        """Begin with a question: what was left over of one before is dropped."""
        self._seen.clear()
        asked = self._asked(state)
        call = asked.call
        # With a language model the papers are there anyway.
        wants = call is not None and (call.tool != "lookup" or self._set_model() is None)
        return {
            "calls": [],
            "call": call.model_dump() if call and wants else None,
            "looks": [],
            "said": "",
            "language": "",
            "model": "",
            "faults": [],
        }

    def look(self, state: DialogueState) -> DialogueState:
        """Take the closer look that is asked for; the same one is not taken twice."""
        call = Call.model_validate(state["call"] or {"tool": "measure"})
        update: DialogueState = {"call": None, "calls": [*state["calls"], call.model_dump()]}
        if call.model_dump() in state["calls"]:
            return update
        looks = self._looks(state)
        try:
            look = self._look(call, len(looks) + 1)
        # Tools reach for files and encoders: what goes wrong there cannot be foreseen.
        except Exception as error:
            return {**update, "faults": [*state["faults"], without(call.tool, error)]}
        return {**update, "looks": [*state["looks"], dumped(look)]}

    def answer(self, state: DialogueState) -> DialogueState:
        """Let the language model answer, or ask for a closer look; without one code answers."""
        try:
            if (model := self.model()) is None:
                return {"call": None}
            asking = self._asking(state, sees=model.sees)
            reply = ask(model, asking) if model.sees else ask_reader(model, asking)
        # Users bring models of their own.
        except Exception as error:
            fault = without("language model", error)
            return {"call": None, "said": "", "model": "", "faults": [*state["faults"], fault]}
        return {
            "call": reply.call.model_dump() if reply.call else None,
            "said": plain(reply.answer),
            "language": reply.language,
            "model": name_of(model),
        }

    def check(self, state: DialogueState) -> DialogueState:
        """Check what was said; if nothing of it is left, code answers."""
        known, draft = self._drafted(state)
        looks = tuple(Look.model_validate(look) for look in state["looks"])
        asked = self._asked(state)
        told = self._grounded(state["said"], asked, known, draft)
        spoke = bool(told and told.text)
        # What is not known rests on nothing, and the next question does not go on with it.
        rests = not (told and NOT_KNOWN in told.text.splitlines())
        model = self._set_model() if spoke else None
        answer = Answer(
            question=state["question"],
            text=_text(told.text, model, asked, draft) if told and told.text else draft.text,
            language=state["language"] if _LANGUAGE.fullmatch(state["language"]) else "",
            sentences=told.sentences if told else (),
            faithfulness=told.faithfulness if told else None,
            model=state["model"] if spoke else None,
            revision=revision_of(model) if model else None,
            prompts_version=_version(model) if model else None,
            looks=looks,
            evidence_ids=draft.evidence_ids if rests else (),
            about=draft.about if rests else (),
            topics=asked.topics,
            faults=tuple(state["faults"]),
        )
        return {"answer": dumped(answer)}

    def _grounded(self, said: str, asked: Asked, known: Known, draft: Told) -> Grounded | None:
        """What is left of what was said; ``None`` if code is to answer.

        An answer that restates the question does so in the end: without it, "no" could be taken
        for an answer to another one.
        """
        if not said:
            return None
        if self._reads_pages():
            if _of_another(asked.text, known):
                return unknown(None, known)
            if said == NOT_KNOWN:
                return None if _knows_more(asked, known, draft) else unknown(asked, known)
            decides = asked.of_verdict or said in decided_lines(known).values()
            if _misses(asked, known) and not decides:
                return None
        question, answer = restated(said, known)
        told = grounded(answer, asked, known, draft, (answer,) if question else ())
        return told._replace(text=told.text.replace(answer, f"{question}{answer}"))

    def translate(self, state: DialogueState) -> DialogueState:
        """Put the answer in the language of the question, if that can be checked; then it is done.

        It is the last thing that is done, and only then the turn is part of the conversation.
        """
        answer = Answer.model_validate(state["answer"])
        if state["model"] and answer.language.casefold() not in ("", "english", "en"):
            answer = self._translated(answer, *self._drafted(state))
        turns = [*state.get("turns", []), dumped(answer)]
        return {"turns": turns[-MAX_TURNS:], "looks": [], "said": "", "answer": {}}

    def _translated(self, answer: Answer, known: Known, draft: Told) -> Answer:
        try:
            if (model := self.model()) is None:
                return answer
            translation = plain(translate(model, answer.text, answer.language))
        except Exception as error:
            fault = without("translation", error)
            return answer.model_copy(update={"faults": (*answer.faults, fault)})
        if fits(translation, answer.text, answer.language, known, draft):
            return answer.model_copy(update={"translation": translation})
        fault = f"without translation: what {name_of(model)} wrote may not say the same"
        return answer.model_copy(update={"faults": (*answer.faults, fault)})

    def _look(self, call: Call, number: int) -> Look:
        scene = self.scene()
        if scene is not None:
            looked = self.tools.use(call, scene, number)
            for caption, image in looked.images:
                self._seen += [caption, image]
            return looked.look
        told = Told((self.unseen,))
        region = self.known.region(call.target)
        if call.tool == "lookup":
            found = from_knowledge(call.target, self.known)
            told = found if found.sentences else Told((NOT_THERE,))
        elif call.tool == "measure" and region is not None:
            told = size(self.known, [region])
        target, ids = region.id if region else "", told.evidence_ids
        return Look(
            id=f"look-{number}", tool=call.tool, target=target, found=told.text, evidence_ids=ids
        )

    def _asking(self, state: DialogueState, *, sees: bool) -> Asking:
        known, draft = self._drafted(state)
        return Asking(
            question=state["question"],
            known=known,
            draft=draft,
            turns=[Answer.model_validate(turn) for turn in state.get("turns", [])],
            looks=[Look.model_validate(look) for look in state["looks"]],
            shown=(*self.shown(), *self._seen) if sees else (),
            may_look=len(state["calls"]) < MAX_LOOKS,
            goes_on=self._goes_on(state),
        )

    def _drafted(self, state: DialogueState) -> tuple[Known, Told]:
        """What is known by now, and what code says on the question."""
        known = replace(self.known, looks=self._looks(state))
        about = self._about(state)
        return known, tell(self._asked(state), known, about, len(state["looks"]))

    def _looks(self, state: DialogueState) -> tuple[Look, ...]:
        """All closer looks so far: of the inspection, of the conversation, for this question."""
        before = [look for turn in state.get("turns", []) for look in turn["looks"]]
        looks = (Look.model_validate(look) for look in (*before, *state["looks"]))
        return (*self.known.inspection.looks, *looks)

    def _asked(self, state: DialogueState) -> Asked:
        before = None
        if (last := self._last(state)) is not None:
            topics = [topic for topic in get_args(Topic) if topic in last.topics]
            tool = last.looks[0].tool if last.looks else None
            reason = self.known.inspection.decision.reason
            told = any(reason in turn["text"] for turn in state["turns"])
            before = Before(last.about, topics, tool, told)
        return read_question(state["question"], self.known.inspection.regions, before)

    def _goes_on(self, state: DialogueState) -> bool:
        """Whether a question says another thing after the one before than it would alone."""
        if (last := self._last(state)) is None:
            return False
        regions = self.known.inspection.regions
        alone = read_question(state["question"], regions, None)
        narrowed = alone.follows and 0 < len(last.about) < len(regions)
        takes_up = _TAKES_UP.match(state["question"]) is not None
        return narrowed or takes_up or alone.topics != self._asked(state).topics

    def _about(self, state: DialogueState) -> tuple[str, ...]:
        last = self._last(state)
        return last.about if last else ()

    def _last(self, state: DialogueState) -> Answer | None:
        """The turn that a question may go on with: the last one, thanks aside."""
        turns = state.get("turns", [])
        asked = (turn for turn in reversed(turns) if list(turn["topics"]) != ["thanks"])
        last = next(asked, None)
        return Answer.model_validate(last) if last else None

    def _reads_pages(self) -> bool:
        """Whether the model sees nothing but a page: it is trained to tell what no page tells."""
        model = self._set_model()
        return model is not None and not model.sees

    def _set_model(self) -> MLLM | None:
        try:
            return self.model()
        except Exception:
            return None


def _version(model: MLLM) -> int:
    """Of the texts by which a model was asked."""
    return dialogue_prompts().version if model.sees else texts().version


def _of_another(question: str, known: Known) -> bool:
    """Whether a question is on another part alone."""
    pattern = _OF_ANOTHER.format(part=re.escape(part_of(known)))
    is_of_another = re.match(pattern, question, re.IGNORECASE) is not None
    return is_of_another and not _OF_THIS.search(question)


def _misses(asked: Asked, known: Known) -> bool:
    """Whether a place is named that is not there: of that code says so, a page tells of others."""
    return any(known.region(f"region-{number}") is None for number in asked.numbers)


def _knows_more(asked: Asked, known: Known, draft: Told) -> bool:
    """Whether code may know what a page does not tell.

    That is so of a place, number or kind that the question names, and of what a page leaves out,
    such as what it was compared with; and where code knows nothing, it says what can be asked.
    """
    names = asked.numbers or asked.place or asked.rank or asked.whether
    if names or kinds_named(asked.text, known) or answered(asked.text, known).sentences:
        return True
    return NOTHING in draft.sentences or not _ON_PAGES.issuperset(asked.topics)


def _text(said: str, model: MLLM | None, asked: Asked, draft: Told) -> str:
    """What a model said; beside the few words of one that sees nothing, what code says on it.

    Code's stand above them where it reads for certain which place is asked about.
    """
    if model is None or model.sees or not asked.topics or NOT_KNOWN in said.splitlines():
        return said
    lines = (said.splitlines(), draft.sentences)
    certain = bool(asked.numbers or asked.rank)
    return "\n".join(dict.fromkeys(chain(*(reversed(lines) if certain else lines))))


def dumped(evidence: Answer | Look) -> dict[str, Any]:
    """As plain dicts, lists, texts and numbers."""
    return evidence.model_dump(mode="json")
