"""Asks a language model a question of the benchmark: plainly, as the benchmark does, or as Echo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from PIL import Image

from benchmarks.mmad.data import Question
from benchmarks.mmad.seeing import Expert, Seen
from experts.knowledge.relevance import Relevance
from experts.mllm import Content, Message, system, user
from experts.mllm.texts import Text, Texts, read_texts

# Of the knowledge file, so many characters are told.
MAX_KNOWLEDGE = 4_000


class PlainTexts(Texts):
    """The benchmark's own words."""

    instruction: Text
    directly: Text
    templates: Text
    query: Text
    list: Text
    question: Text


class EchoTexts(Texts):
    """Echo's words."""

    system: Text
    reference: Text
    query: Text
    found: Text
    knowledge: Text
    question: Text


class Prompts(Texts):
    """All texts, and which version of them this is."""

    version: int
    plain: PlainTexts
    echo: EchoTexts


@cache
def prompts() -> Prompts:
    """The texts that come with the benchmark."""
    return read_texts("prompts.yaml", Prompts, "benchmarks.mmad")


def ask_plainly(question: Question, image: Image.Image, templates: Sequence[Path]) -> list[Message]:
    """A question as the benchmark's scripts put it: one turn, the templates before the image.

    Args:
        question: The question.
        image: The image.
        templates: Normal images of the product.
    """
    texts = prompts().plain
    content: list[Content] = [texts.instruction, texts.directly]
    if templates:
        content.append(texts.templates.format(count=len(templates)))
        content += [_opened(path) for path in templates]
    asked = texts.question.format(question=question.text, options=listed(question))
    return [user(*content, texts.query, image, texts.list, asked)]


def show(
    seen: Seen, images: Sequence[Content], templates: Sequence[Path], experts: frozenset[Expert]
) -> list[Message]:
    """What all questions on an image share: it is read once.

    Args:
        seen: What was found out.
        images: What the album shows, the photo among it; empty if nobody who is asked has a map.
        templates: Normal images beside the album's.
        experts: Who is asked.
    """
    texts, product = prompts().echo, next(iter(seen.products(experts)), "part")
    content: list[Content] = []
    for path in templates:
        content += [texts.reference.format(product=product), _opened(path)]
    content += images or [texts.query, Image.fromarray(seen.picture.rgb_HW3)]
    if found := "\n".join(_found(seen, experts)):
        content.append(texts.found.format(found=found))
    if "knowledge" in experts and (known := _known(seen)):
        content.append(texts.knowledge.format(knowledge=known[:MAX_KNOWLEDGE]))
    return [system(texts.system), user(*content)]


def put(question: Question) -> str:
    """A question with its options, as Echo puts it."""
    return prompts().echo.question.format(question=question.text, options=listed(question))


def listed(question: Question) -> str:
    """The options, a line each after its letter."""
    return "".join(f"{letter}. {text}\n" for letter, text in question.options.items())


# Steps and decision rest on what all of these found out.
WHOLE: frozenset[Expert] = frozenset({"reference", "decoder", "knowledge"})


def _found(seen: Seen, experts: frozenset[Expert]) -> Iterator[str]:
    """What the experts that are asked found out, and nothing of the others."""
    inspection = seen.inspection
    for product in seen.products(experts)[:1]:
        yield f"- The product is a {product}."
    if "decoder" in experts:
        yield f"- The probability that it is defective is {seen.defective:.2f}."
        for region in inspection.regions or ((seen.region,) if seen.region else ()):
            looks = f"- What stands out most: {region.looks}, {region.place}"
            reasoned = "reasoning" in experts and region.traits is not None
            yield (
                f"{looks}; {region.traits.in_words}." if reasoned and region.traits else f"{looks}."
            )
    if not experts >= WHOLE:
        return
    if "reasoning" in experts:
        # The last one is the decision.
        yield from (f"- {step.looked_at}: {step.found}" for step in inspection.steps[:-1])
    if "decision" in experts:
        yield f"- Decision: {inspection.decision.reason}"


def _known(seen: Seen) -> str:
    if seen.knowledge is None:
        return ""
    file = seen.knowledge.file
    regions = [seen.region] if seen.region else []
    excerpt = Relevance(seen.knowledge).excerpt([d.name for d in file.defects], regions)
    lines = [f"Normal: {file.normal}"]
    for defect in excerpt.defects:
        said = " ".join(filter(None, (defect.appearance, defect.cause, defect.effect)))
        lines.append(f"{defect.name}: {said}")
    return "\n".join(lines)


def _opened(path: Path) -> Image.Image:
    from experts.images import read_picture

    return Image.fromarray(read_picture(path).rgb_HW3)
