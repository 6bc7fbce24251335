"""The wordings that the embedded model is measured with can be filled and do not repeat."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from string import Formatter

import pytest
from ruamel.yaml import YAML

import benchmarks

FILE = Path(benchmarks.__file__).with_name("nano_wordings.yaml")
TOPICS: dict[str, list[str]] = YAML(typ="safe").load(FILE.read_text(encoding="utf-8"))["topics"]
COUNTS = {
    "defective": 120, "flawless": 120, "ship": 140, "hold_back": 140, "verdict": 25, "why": 25,
    "next": 20, "where": 40, "where_region": 15, "size": 25, "size_region": 15, "looks": 25,
    "looks_region": 15, "count": 20, "kind": 30, "kind_region": 15, "is_kind": 25, "rule": 20,
    "limit_of": 25, "appearance_of": 40, "cause_of": 40, "effect_of": 40, "severity_of": 25,
    "normal": 20, "product": 15, "kinds_known": 15, "synonym_of": 15, "unknown": 60, "explain": 20,
    "scrap": 50, "look_again": 50,
}  # fmt: skip


def slots(wording: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(wording) if name is not None}


def needed(topic: str) -> set[str]:
    """The slot without which a wording of the topic asks about nothing."""
    if topic.endswith("_region"):
        return {"region"}
    return {"defect"} if topic.endswith("_of") or topic == "is_kind" else set()


def test_each_topic_has_its_wordings() -> None:
    assert {topic: len(wordings) for topic, wordings in TOPICS.items()} == COUNTS


def test_no_wording_stands_twice() -> None:
    said = (" ".join(w.lower().rstrip("?.").split()) for ws in TOPICS.values() for w in ws)
    assert [wording for wording, times in Counter(said).items() if times > 1] == []


@pytest.mark.parametrize("topic", TOPICS)
def test_wordings_have_the_slots_of_their_topic(topic: str) -> None:
    optional = {"part", "product"} | ({"defect"} if topic == "unknown" else set())
    for wording in TOPICS[topic]:
        assert needed(topic) <= slots(wording) <= needed(topic) | optional, wording
