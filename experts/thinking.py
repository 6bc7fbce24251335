"""The Reasoning Expert with a language model: one stage at a time, over images and numbers.

Observe the normal, compare, examine each region, ask for closer looks, check the clauses, conclude.
What the model writes is kept as it came; ``experts.explaining`` checks it against the evidence
before anybody reads it. Only its opinion, which it chooses from a list, is heard by the decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from experts.album import Album, Seen
from experts.errors import MLLMAnswerError
from experts.evidence import Look, Opinion
from experts.mllm import MLLM, Content, Message, assistant, system, user
from experts.mllm.base import with_question
from experts.mllm.prompts import prompts
from experts.opinion import OpinionExpert
from experts.plain_text import legible
from experts.tools.call import MAX_K, MAX_TARGET, Call

# So many closer looks at most, however often it asks.
MAX_LOOKS = 3
# One or two sentences; what runs on is cut off.
MAX_THOUGHT = 96
MAX_WISH = 96
# No tokenizer has longer ones on average; a server may write more than it was asked for.
LETTERS_PER_TOKEN = 8

StageName = Literal["observe", "compare", "examine", "look", "clauses", "conclude"]


class Wish(BaseModel):
    """Which closer look a model asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: Literal["none", "zoom", "compare", "measure", "lookup"]
    target: Annotated[str, StringConstraints(max_length=MAX_TARGET)] = ""
    k: Annotated[int, Field(ge=1, le=MAX_K)] = 3


@dataclass(frozen=True)
class Stage:
    """A stage of the reasoning.

    Attributes:
        name: Which one.
        looked_at: What is examined.
        question: What the model is asked.
        evidence_ids: What its answer rests on.
    """

    name: StageName
    looked_at: str
    question: str
    evidence_ids: tuple[str, ...]


@dataclass(frozen=True)
class Thought:
    """What a model wrote in a stage, as it came."""

    looked_at: str
    text: str
    evidence_ids: tuple[str, ...]


@dataclass(frozen=True)
class Thinking:
    """How far the reasoning has come.

    Attributes:
        talk: The conversation so far; empty for a model that sees nothing.
        stage: Number of the next stage.
        done: Whether there is none.
        failed: Whether the model was of no help.
        speaks: Whether there is a model that can put the end in words.
        thoughts: What the model wrote.
        call: The closer look that it waits for.
        looks: Those that it had.
        shown: What the last of them shows, for the next question.
        opinion: What it takes the image for; with ``conclude``.
        seconds: What the model took.
    """

    talk: tuple[Message, ...] = ()
    stage: int = 0
    done: bool = False
    failed: bool = False
    speaks: bool = False
    thoughts: tuple[Thought, ...] = ()
    call: Call | None = None
    looks: tuple[Look, ...] = ()
    shown: tuple[Content, ...] = ()
    opinion: Opinion | None = None
    seconds: float = 0.0


class ThinkingExpert:
    """Leads a language model through the stages.

    Args:
        album: Lays out what it is shown.
        opinion: Asks what it concludes.
    """

    def __init__(self, album: Album, opinion: OpinionExpert) -> None:
        self._album = album
        self._opinion = opinion
        self._texts = prompts().thinking

    def think(self, model: MLLM, seen: Seen, so_far: Thinking) -> Thinking:
        """Go through the next stage; there is none for a model that sees nothing.

        Args:
            model: The language model.
            seen: What there is to think about.
            so_far: What came of the stages before; the first begins with ``Thinking()``.

        Raises:
            MLLMError: If the model is of no help.
        """
        if not model.sees:
            return replace(so_far, done=True, speaks=True)
        stages = self._stages(seen)
        if not so_far.talk:
            opening = [system(prompts().shown.system), user(*self._album.of(seen))]
            so_far = replace(so_far, talk=tuple(opening))
        stage = stages[so_far.stage]
        if stage.name == "conclude":
            after = self._conclude(model, so_far)
        elif stage.name == "look":
            after = self._wish(model, stage, so_far)
        else:
            after = self._write(model, stage, so_far)
        return replace(after, done=after.stage >= len(stages), speaks=True)

    def hear(self, so_far: Thinking, look: Look, images: Sequence[tuple[str, Content]]) -> Thinking:
        """Take in what a closer look found.

        Args:
            so_far: Where the model waits for it.
            look: What was found.
            images: What it shows, each with its heading.
        """
        told = self._texts.looked.format(tool=look.tool, target=look.target, found=look.found)
        shown = (told, *(part for heading_and_image in images for part in heading_and_image))
        return replace(so_far, call=None, looks=(*so_far.looks, look), shown=shown)

    def _stages(self, seen: Seen) -> list[Stage]:
        return list(self._all_stages(seen))

    def _all_stages(self, seen: Seen) -> Iterator[Stage]:
        texts, product = self._texts, self._album.product
        normal = tuple(reference.id for reference in seen.scene.references)
        if normal:
            question = texts.observe.format(product=product)
            yield Stage("observe", "the good part", question, normal)
            yield Stage("compare", "the photo beside it", texts.compare, ("anomaly", *normal))
        for region in seen.scene.regions:
            question = texts.examine.format(id=region.id, product=product)
            yield Stage("examine", f"{region.id} beside it", question, (region.id, *normal))
        places = ", ".join(region.id for region in seen.scene.regions) or "the whole image"
        yield Stage("look", "closer", texts.wish.format(places=places), ())
        # All clauses are computed; of those that hold, the model need not hear.
        if broken := [check for check in seen.checks if not check.within]:
            told = "\n".join(
                f"- {step.looked_at}: {step.found}"
                for step in seen.steps
                if any(check.id in step.evidence_ids for check in broken)
            )
            ids = tuple(check.id for check in broken)
            yield Stage("clauses", "the rules", texts.clauses.format(checks=told), ids)
        yield Stage("conclude", "all of it", self._opinion.question, ())

    def _write(self, model: MLLM, stage: Stage, so_far: Thinking) -> Thinking:
        asked = with_question(so_far.talk, stage.question)
        answer = model.generate(asked, max_tokens=MAX_THOUGHT)
        text = legible(answer.text, MAX_THOUGHT * LETTERS_PER_TOKEN)
        return replace(
            so_far,
            # An empty turn would be refused by some templates.
            talk=(*asked, assistant(text)) if text else so_far.talk,
            stage=so_far.stage + 1,
            thoughts=(*so_far.thoughts, Thought(stage.looked_at, text, stage.evidence_ids)),
            seconds=so_far.seconds + answer.cost.seconds,
        )

    def _wish(self, model: MLLM, stage: Stage, so_far: Thinking) -> Thinking:
        """Ask for a closer look; after the last one, or if none is wanted, go on."""
        heard = _with_shown(so_far)
        if len(so_far.looks) >= MAX_LOOKS:
            return replace(heard, stage=so_far.stage + 1)
        asked = with_question(heard.talk, stage.question)
        try:
            filled = model.generate_json(asked, Wish, max_tokens=MAX_WISH, max_repairs=1)
        except MLLMAnswerError:
            # A model that cannot ask may still see.
            return replace(heard, stage=so_far.stage + 1)
        wish, seconds = filled.value, so_far.seconds + filled.cost.seconds
        if wish.tool == "none":
            return replace(heard, stage=so_far.stage + 1, seconds=seconds)
        answer = assistant(wish.model_dump_json())
        call = Call(tool=wish.tool, target=wish.target, k=wish.k)
        return replace(heard, talk=(*asked, answer), call=call, seconds=seconds)

    def _conclude(self, model: MLLM, so_far: Thinking) -> Thinking:
        opinion, seconds = self._opinion.ask(model, so_far.talk)
        return replace(
            so_far,
            stage=so_far.stage + 1,
            opinion=opinion,
            seconds=so_far.seconds + seconds,
        )


def _with_shown(so_far: Thinking) -> Thinking:
    """With what the last closer look shows as a part of the conversation."""
    if not so_far.shown:
        return so_far
    return replace(so_far, talk=(*so_far.talk, user(*so_far.shown)), shown=())
