"""Abnormal prompts of a product, proposed for a person to accept.

IAD-GPT's Abnormal Prompt Generator asks a language model for prompts that name the object and the
type, shape and colour of its defects. Here the knowledge file gives all of these, so they are
composed from its words; a language model may propose more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from experts.knowledge import KnowledgeFile
from experts.knowledge.schema import DefectKnowledge
from experts.mllm import MLLM, user
from experts.mllm.prompts import prompts
from experts.wording import article_of

# Of a model's answer, so many lines are taken, each up to so many letters.
MAX_PROPOSED = 40
MAX_LENGTH = 100

COLOURS = (
    *("black", "white", "grey", "gray", "brown", "red", "orange", "yellow", "green", "blue"),
    *("purple", "pink", "dark", "bright", "pale", "light", "dull", "shiny", "rusty"),
    *("discoloured", "transparent", "silver", "golden"),
)
SHAPES = (
    *("round", "thin", "long", "short", "straight", "curved", "bent", "branching", "jagged"),
    *("sharp", "blurred", "small", "large", "narrow", "wide", "deep", "flat", "irregular"),
    *("diagonal", "elongated", "circular", "ragged", "broken"),
)


def propose(file: KnowledgeFile, model: MLLM | None = None) -> list[str]:
    """Abnormal prompts that the file does not have yet, for a person to choose from.

    Args:
        file: The knowledge of the product.
        model: A language model, if one is there.

    Raises:
        MLLMError: If the model is of no help.
    """
    proposed = [*_composed(file)]
    if model is not None:
        proposed += read_answer(model.generate([user(question(file))]).text, file.product)
    known = {text.casefold() for text in file.prompts.abnormal}
    found = {text.casefold(): text for text in reversed(proposed)}
    wanted = dict.fromkeys(text.casefold() for text in proposed)
    return [found[key] for key in wanted if key not in known]


def question(file: KnowledgeFile) -> str:
    """What a language model is asked."""
    defects = "\n".join(f"- {d.name}: {d.appearance}" for d in file.defects) or "- none"
    return prompts().propose.question.format(
        product=file.product, normal=file.normal, defects=defects, count=MAX_PROPOSED // 2
    )


def read_answer(answer: str, product: str) -> list[str]:
    """The phrases of a language model's answer; whatever names no product is no prompt.

    Args:
        answer: Lines, with or without bullets, numbers and quotes.
        product: What each phrase must name.
    """
    lines = (re.sub(r"^\s*(?:[-*•]|\d+[.)])\s*", "", line) for line in answer.splitlines())
    phrases = (line.strip().strip("\"'`“”").rstrip(".").strip() for line in lines)
    names = product.casefold()
    fit = (p for p in phrases if names in p.casefold() and len(names) < len(p) <= MAX_LENGTH)
    return list(dict.fromkeys(fit))[:MAX_PROPOSED]


def _composed(file: KnowledgeFile) -> Iterator[str]:
    for defect in file.defects:
        colours, shapes = _found(COLOURS, defect), _found(SHAPES, defect)
        for name in (defect.name, *defect.synonyms):
            yield f"{file.product} with {_article(name)}{name}"
        for shape in shapes or [""]:
            for colour in colours or [""]:
                words = " ".join(word for word in (shape, colour, defect.name) if word)
                yield f"{file.product} with {_article(words)}{words}"


def _found(words: Sequence[str], defect: DefectKnowledge) -> list[str]:
    """The words with which a defect's looks are described, in the order in which they come."""
    # A name that says its colour needs no other.
    named = set(re.findall(r"[a-z]+", defect.name.casefold()))
    said = re.findall(r"[a-z]+", defect.appearance.casefold())
    return [w for w in dict.fromkeys(said) if w in words and w not in named]


def _article(words: str) -> str:
    if words.endswith("s") and not words.endswith("ss"):
        return ""
    return f"{article_of(words)} "
