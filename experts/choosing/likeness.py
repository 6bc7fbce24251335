"""How alike texts are: by their groups of letters, so that inflected and compound words are alike.

TF-IDF (Salton & Buckley 1988) over three to five letters of a word. How common a group is, is told
by the shipped knowledge files, which speak of products and their defects; one that they lack is
rare. Texts are short, so plain dictionaries suffice, and nothing large need be imported.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from experts.claims.words import listed
from experts.tools.places import fold

FloatArray = NDArray[np.float64]

LENGTHS = (3, 4, 5)
# What of a shipped file speaks of products.
_SAID = ("normal", "appearance", "cause", "effect", "question", "answer")
# Words that any text has, whatever it speaks of; "can" is not one of them, as cans are products.
_EMPTY = listed(
    "a an the and or but of in on at to from by with without for as is are was be it its this that "
    "these there which one not no may has have der die das ein eine einer eines einem einen "
    "und oder aber von im in am an auf zu aus bei mit ohne fur als ist sind war es sich dieser "
    "diese dieses nicht kein keine kann hat"
)
# As many texts as a line's file and a benchmark's options have, many times over.
_KEPT = 4096


def likeness(options: Sequence[str], texts: Sequence[str]) -> FloatArray:
    """Cosine of each option with each text, (options, texts), 0 to 1.

    Args:
        options: What can be chosen.
        texts: What is known; an empty one is like nothing.
    """
    own, known = [_vector(option) for option in options], [_vector(text) for text in texts]
    cosines = [[_dot(mine, theirs) for theirs in known] for mine in own]
    return np.array(cosines, float).reshape(len(options), len(texts))


def _dot(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    return sum(first[group] * second[group] for group in first.keys() & second.keys())


@lru_cache(maxsize=_KEPT)
def _vector(text: str) -> Mapping[str, float]:
    """The weight of each group of letters, of length 1; empty for a text without letters."""
    rarity, rarest = _rarity()
    weights = {
        group: (1 + math.log(count)) * rarity.get(group, rarest)
        for group, count in Counter(_groups(text)).items()
    }
    length = math.sqrt(sum(weight**2 for weight in weights.values()))
    return {group: weight / length for group, weight in weights.items()}


def _groups(text: str) -> Iterator[str]:
    """Groups of letters within words, a blank marking where a word begins and ends."""
    for word in fold(text).split():
        if word in _EMPTY:
            continue
        marked = f" {word} "
        for length in LENGTHS:
            yield from (marked[at : at + length] for at in range(len(marked) - length + 1))


@lru_cache(maxsize=1)
def _rarity() -> tuple[Mapping[str, float], float]:
    """How rare each group of letters is, as the logarithm of its share, and one never seen."""
    sentences = list(_sentences())
    seen = Counter(group for sentence in sentences for group in set(_groups(sentence)))
    most = 1 + len(sentences)
    rarity = {group: 1 + math.log(most / (1 + count)) for group, count in seen.items()}
    return rarity, 1 + math.log(most)


def _sentences() -> Iterator[str]:
    """What the shipped knowledge files say, a text at a time."""
    from ruamel.yaml import YAML

    # These files are known to be valid, so they are read without their comments and line numbers.
    yaml = YAML(typ="safe")
    for entry in resources.files("knowledge").iterdir():
        if entry.name.endswith(".yaml"):
            file = yaml.load(entry.read_text("utf-8"))
            for part in (file, *file.get("defects", ()), *file.get("questions", ())):
                yield from (part[key] for key in _SAID if part.get(key))
