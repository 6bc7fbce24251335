"""What is said to a model that compares images with texts: states of a product, and templates.

The compositional prompt ensemble of Jeong et al., "WinCLIP" (CVPR 2023), section 4.1, with the
states and templates of Gu et al., "AnomalyGPT" (AAAI 2024).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from experts.knowledge import KnowledgeFile

# [o] stands for the product, [c] for the product in a state.
NORMAL_STATES = (
    "[o]",
    "flawless [o]",
    "perfect [o]",
    "unblemished [o]",
    "[o] without flaw",
    "[o] without defect",
    "[o] without damage",
)
ABNORMAL_STATES = (
    "damaged [o]",
    "broken [o]",
    "[o] with flaw",
    "[o] with defect",
    "[o] with damage",
)
TEMPLATES = tuple(
    form.replace("[article]", article)
    for form in (
        "a cropped photo of [article] [c].",
        "a close-up photo of [article] [c].",
        "a bright photo of [article] [c].",
        "a dark photo of [article] [c].",
        "a jpeg corrupted photo of [article] [c].",
        "a blurry photo of [article] [c].",
        "a photo of [article] [c].",
        "a photo of [article] small [c].",
        "a photo of [article] large [c].",
        "a photo of [article] [c] for visual inspection.",
        "a photo of [article] [c] for anomaly detection.",
    )
    for article in ("a", "the")
)


class Prompts(NamedTuple):
    """Texts of the two classes, each every state in every template."""

    normal: tuple[str, ...]
    abnormal: tuple[str, ...]


def prompts_for(product: str, knowledge: KnowledgeFile | None = None) -> Prompts:
    """Compose the prompts of a product.

    Args:
        product: What the images show, such as ``solar cell``.
        knowledge: Of the line. What it says of a normal product becomes normal states; the name,
            synonyms and appearance of each defect become abnormal ones. Its own prompts are
            added, and all is said of its aliases, too.
    """
    normal, abnormal = list(NORMAL_STATES), list(ABNORMAL_STATES)
    if knowledge is not None:
        normal += [f"[o], {phrase}" for phrase in _phrases(knowledge.normal)]
        for defect in knowledge.defects:
            looks = [defect.name, *defect.synonyms, *_phrases(defect.appearance)]
            abnormal += [f"[o] with {look}" for look in looks]
        # These name the product themselves.
        normal += knowledge.prompts.normal
        abnormal += knowledge.prompts.abnormal
    names = [product, *(knowledge.aliases if knowledge is not None else ())]
    return Prompts(_compose(normal, names), _compose(abnormal, names))


def _compose(states: Iterable[str], names: Sequence[str]) -> tuple[str, ...]:
    said = (state.replace("[o]", name, 1) for name in names for state in states)
    phrases = dict.fromkeys(said)
    return tuple(form.replace("[c]", phrase, 1) for phrase in phrases for form in TEMPLATES)


def _phrases(text: str) -> list[str]:
    """The sentences of a text, each fit to stand in the middle of another."""
    sentences = [s.rstrip(".!?").strip() for s in re.split(r"(?<=[.!?])\s+", text.strip())]
    # "LED is off" keeps its capitals.
    return [s if s[1:2].isupper() else s[0].lower() + s[1:] for s in sentences if s]
