from __future__ import annotations

import re
from difflib import SequenceMatcher

import pytest
from pydantic import ValidationError

from echo.training.wordings import Asked, Wordings, filled, phrases, plain, wordings

ALL = {
    **wordings().topics,
    **{f"mmad.{topic}": asked for topic, asked in wordings().mmad.items()},
}
TOPICS = [
    "defective", "flawless", "ship", "hold_back", "scrap", "look_again", "verdict", "why", "next",
    "where", "where_region", "size", "size_region", "looks", "looks_region", "count", "any_place",
    "kind", "kind_region", "is_kind", "rule", "limit_of", "measured",
    "appearance_of", "cause_of", "effect_of", "severity_of", "synonym_of",
    "cause", "effect", "severity", "normal", "product", "kinds_known", "unknown", "explain",
]  # fmt: skip
MMAD = ["presence", "kind", "place", "appearance", "size", "effect", "cause", "normal", "product"]


def with_topic(topic: str, train: str, dev: str = "What else?") -> dict[str, object]:
    return {"topics": {topic: {"train": [train], "dev": [dev]}}, "mmad": {}}


def test_every_topic_has_wordings_of_both_splits() -> None:
    assert set(TOPICS) == set(wordings().topics)
    assert set(MMAD) == set(wordings().mmad)
    for topic in TOPICS:
        assert phrases("train").topics[topic] == wordings().topics[topic].train
        assert phrases("dev").topics[topic] == wordings().topics[topic].dev
    assert phrases("dev").mmad["kind"] == wordings().mmad["kind"].dev


@pytest.mark.parametrize("topic", ALL)
def test_some_are_never_trained_on(topic: str) -> None:
    asked = ALL[topic]
    assert len(asked.train) >= 20
    assert len(asked.dev) >= 4


@pytest.mark.parametrize("topic", ALL)
def test_what_is_not_trained_on_is_of_another_construction(topic: str) -> None:
    """No wording of dev is one of train with a word exchanged."""
    asked: Asked = ALL[topic]
    for dev in asked.dev:
        words = plain(dev).split()
        for train in asked.train:
            likeness = SequenceMatcher(None, words, plain(train).split()).ratio()
            assert likeness < 0.75, (dev, train)


def test_wordings_are_plain_text() -> None:
    for asked in ALL.values():
        for wording in (*asked.train, *asked.dev):
            assert wording.isascii()
            assert wording == wording.strip()
            assert not re.search(r"\s\s", wording)


@pytest.mark.parametrize(
    ("topic", "wording", "fault"),
    [
        ("where_region", "Where is it?", "must hold region"),
        ("is_kind", "Is it one?", "must hold defect"),
        ("cause_of", "Where does {region} with {defect} come from?", "must not hold region"),
        ("why", "Why is there {defect}?", "must not hold defect"),
        ("why", "Why {colour}?", "must not hold colour"),
        ("why", "Why {part?", "brace without its other one"),
        ("why", "what   ELSE", "stands in why already"),
    ],
)
def test_a_faulty_file_is_refused(topic: str, wording: str, fault: str) -> None:
    dev = "What else?" if topic == "why" else "What of {region} and {defect}?"
    with pytest.raises(ValidationError, match=fault):
        Wordings.model_validate(with_topic(topic, wording, dev))


@pytest.mark.parametrize(
    ("wording", "said"),
    [
        ("Is it a {defect}?", "Is it an edge chip?"),
        ("Is an {defect} on a {part}?", "Is an edge chip on a tile?"),
        ("A {product} with {defect}?", "A magnetic tile with edge chip?"),
        ("Is {defect} a fault?", "Is edge chip a fault?"),
    ],
)
def test_names_fill_the_slots(wording: str, said: str) -> None:
    assert filled(wording, part="tile", product="magnetic tile", defect="edge chip") == said


@pytest.mark.parametrize("topic", ALL)
def test_names_fill_all_wordings(topic: str) -> None:
    names = {
        "part": "tile",
        "product": "magnetic tile",
        "defect": "edge chip",
        "region": "region-2",
    }
    for wording in (*ALL[topic].train, *ALL[topic].dev):
        said = filled(wording, **names)
        assert not re.search(r"[{}]|\ba edge", said, re.IGNORECASE)


def test_a_slot_without_a_name_is_told() -> None:
    with pytest.raises(KeyError, match="region"):
        filled("Where is {region}?", part="tile")
