"""Questions in many wordings, by what they ask for; they stand in ``wordings.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

from pydantic import Field, model_validator

from experts.mllm.texts import Text, Texts, read_texts

Split = Literal["train", "dev"]

# What always has a name in a question on this topic; these names fit into no other.
_NAMED = {"region": re.compile(r"_region$"), "defect": re.compile(r"_of$|^is_kind$")}
_ANYWHERE = frozenset({"part", "product"})
_SLOT = re.compile(r"\{([^{}]*)\}")
_ARTICLE_AND_SLOT = re.compile(r"\b(an?) \{(\w+)\}", re.IGNORECASE)
_PUNCTUATION = re.compile(r"[^\w{}]+")


class Asked(Texts):
    """The wordings of a topic.

    Attributes:
        train: What the model learns from.
        dev: In other constructions, and never trained on: they tell whether it understands.
    """

    train: Annotated[tuple[Text, ...], Field(min_length=1)]
    dev: Annotated[tuple[Text, ...], Field(min_length=1)]


class Wordings(Texts):
    """All wordings.

    Attributes:
        topics: As they are asked in a factory.
        mmad: The same in the style of benchmarks.
        openings: What people write before a question; learned from alone.
        closings: What they write behind it.
    """

    topics: dict[str, Asked]
    mmad: dict[str, Asked]
    openings: tuple[Text, ...] = ()
    closings: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _slots_are_known(self) -> Wordings:
        for topic, wording in self._all():
            _refuse_slots(topic, wording)
        return self

    @model_validator(mode="after")
    def _each_stands_once(self) -> Wordings:
        seen: dict[str, str] = {}
        for topic, wording in self._all():
            words = plain(wording)
            if words in seen:
                raise ValueError(f"{wording!r} of {topic} stands in {seen[words]} already")
            seen[words] = topic
        return self

    def _all(self) -> Iterator[tuple[str, str]]:
        for group in (self.topics, self.mmad):
            for topic, asked in group.items():
                yield from ((topic, wording) for wording in (*asked.train, *asked.dev))

    def split(self, split: Split) -> Phrases:
        """Those that are learned from, or those that are not."""
        topics = {topic: getattr(asked, split) for topic, asked in self.topics.items()}
        mmad = {topic: getattr(asked, split) for topic, asked in self.mmad.items()}
        around = (self.openings, self.closings) if split == "train" else ((), ())
        return Phrases(topics, mmad, *around)


@dataclass(frozen=True)
class Phrases:
    """What questions are drawn from.

    Attributes:
        topics: Wordings of each topic.
        mmad: Some of them in the style of benchmarks; a topic that is not there is not asked so.
        openings: What may stand before a question; where there is none, questions stay as they are.
        closings: What may stand behind it.
    """

    topics: Mapping[str, tuple[str, ...]]
    mmad: Mapping[str, tuple[str, ...]]
    openings: tuple[str, ...] = ()
    closings: tuple[str, ...] = ()


def _refuse_slots(topic: str, wording: str) -> None:
    needed = {slot for slot, topics in _NAMED.items() if topics.search(topic)}
    slots = set(_SLOT.findall(wording))
    if unknown := slots - needed - _ANYWHERE:
        raise ValueError(f"{wording!r} of {topic} must not hold {', '.join(sorted(unknown))}")
    if missing := needed - slots:
        raise ValueError(f"{wording!r} of {topic} must hold {', '.join(sorted(missing))}")
    if set("{}") & set(_SLOT.sub("", wording)):
        raise ValueError(f"{wording!r} of {topic} has a brace without its other one")


def plain(wording: str) -> str:
    """The words alone, by which wordings are compared: lower case, without punctuation."""
    return _PUNCTUATION.sub(" ", wording.casefold()).strip()


def filled(wording: str, **slots: str) -> str:
    """A wording with names in its slots; "a" and "an" go by the name.

    Args:
        wording: One of ``Wordings``.
        slots: The name for each slot that it holds; others are left aside.

    Raises:
        KeyError: There is no name for a slot.
    """

    def with_article(found: re.Match[str]) -> str:
        article, slot = found[1][0], found[2]
        return f"{article}{'n' if slots[slot][:1].casefold() in set('aeiou') else ''} {{{slot}}}"

    return _ARTICLE_AND_SLOT.sub(with_article, wording).format(**slots)


@cache
def phrases(split: Split) -> Phrases:
    """Those wordings that are learned from, or those that are not."""
    return wordings().split(split)


@cache
def wordings() -> Wordings:
    """The wordings that come with Echo."""
    return read_texts("wordings.yaml", Wordings, "echo.training")
