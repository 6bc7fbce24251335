"""From a conversation to the tokens that a model reads: chat template, images, pixel budget."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jinja2 import TemplateError
from PIL import Image
from transformers import BatchFeature, ProcessorMixin

from experts.errors import MLLMUnavailableError
from experts.mllm.base import Message, assistant

# So much is told of what a library says.
MAX_TOLD = 200

# Tensors of a processor that hold one entry for each token, beside ``input_ids`` itself.
PER_TOKEN = ("token_type_ids", "mm_token_type_ids")


@dataclass(frozen=True)
class Prompt:
    """A conversation as a model reads it.

    Attributes:
        ids_T: Its tokens.
        images: A digest of each image, in order; two prompts see the same if these are equal.
        image_end: The first token behind all images; 0 if there are none.
        visual: What the processor made of the images, as the model takes it.
        text: Rendered by the chat template, each image as one placeholder.
    """

    ids_T: torch.Tensor
    images: tuple[str, ...]
    image_end: int
    visual: dict[str, torch.Tensor]
    text: str


class Prompter:
    """Reads conversations by a model's own processor and chat template.

    Args:
        processor: Of the model.
        image_token_id: The token in whose places the image's features stand; None for a model
            that sees no images.
        max_pixels: Larger images are reduced to so many pixels.
    """

    def __init__(
        self, processor: ProcessorMixin, image_token_id: int | None, max_pixels: int
    ) -> None:
        self._processor = processor
        self._tokenizer = processor.tokenizer
        self._image_token_id = image_token_id
        self._max_pixels = max_pixels
        self._seen = _SeenImages(processor.image_processor)
        processor.image_processor = self._seen
        template = processor.chat_template or self._tokenizer.chat_template
        # What a model thinks aloud costs time, and nobody reads it.
        self._how = {"enable_thinking": False} if "enable_thinking" in str(template) else {}
        self._control = _control_texts(processor)

    @property
    def image_tokens(self) -> list[int] | None:
        """The tokens that stand for images."""
        return None if self._image_token_id is None else [self._image_token_id]

    def read(self, messages: Sequence[Message]) -> Prompt:
        """Turn a conversation into tokens.

        Raises:
            MLLMUnavailableError: If the model's chat template or processor cannot take it.
        """
        text = self._render(messages, add_generation_prompt=True)
        images = [fit(part, self._max_pixels) for part in _images(messages)]
        digests = tuple(digest(image) for image in images)
        batch = self._process(text, images, digests)
        ids_T = batch.pop("input_ids")[0]
        batch.pop("attention_mask", None)
        return Prompt(ids_T, digests, self._image_end(ids_T), batch, text)

    def answer_ids(
        self, messages: Sequence[Message], prompt: Prompt, answers: Sequence[str]
    ) -> tuple[tuple[int, ...], ...]:
        """Tokens by which a prompt goes on with each answer, in the template's own spacing.

        Raises:
            MLLMUnavailableError: If the tokens of an answer cannot be told from the prompt's.
        """
        answers = [answer.strip() for answer in answers]
        joint = self._joint(messages, prompt, answers[0])
        # No token reaches across a control token, so only the text behind the last one matters.
        start = max(prompt.text.rfind(c) + len(c) for c in self._control if c in prompt.text)
        tail = prompt.text[start:]
        tail_ids = self._tokens(tail)
        known = prompt.ids_T[len(prompt.ids_T) - len(tail_ids) :].tolist()
        found = []
        for answer in answers:
            ids = self._tokens(tail + joint + answer)
            if tail_ids != known or ids[: len(tail_ids)] != tail_ids or len(ids) == len(tail_ids):
                raise MLLMUnavailableError(
                    f"the model's tokenizer joins the answer {answer!r} to the prompt before it; "
                    "take another model, or let the answer begin with a letter"
                )
            found.append(tuple(ids[len(tail_ids) :]))
        return tuple(found)

    def _joint(self, messages: Sequence[Message], prompt: Prompt, answer: str) -> str:
        """What a template puts between the prompt and an answer, such as a space."""
        whole = self._render((*messages, assistant(answer)), continue_final_message=True)
        rest = whole.removeprefix(prompt.text)
        # Some show past answers otherwise than they have them written, without what was thought.
        return rest.removesuffix(answer) if whole == prompt.text + rest else ""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, without control tokens."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _render(self, messages: Sequence[Message], **how: bool) -> str:
        conversation = [
            {"role": m.role, "content": [self._part(part) for part in m.content]} for m in messages
        ]
        try:
            return str(
                self._processor.apply_chat_template(
                    conversation, tokenize=False, **self._how, **how
                )
            )
        except (TemplateError, ValueError, TypeError) as error:
            raise MLLMUnavailableError(
                f"the model's chat template does not take this conversation ({told(error)}); take "
                "an instruct model whose template knows images"
            ) from error

    def _part(self, part: str | Image.Image) -> dict[str, str]:
        if isinstance(part, Image.Image):
            return {"type": "image"}
        # Nobody may end a turn, or feign an image, by what he writes.
        for control in self._control:
            part = part.replace(control, f"{control[0]} {control[1:]}")
        return {"type": "text", "text": part}

    def _process(
        self, text: str, images: list[Image.Image], digests: tuple[str, ...]
    ) -> dict[str, torch.Tensor]:
        bos = self._tokenizer.bos_token
        options: dict[str, Any] = {"add_special_tokens": not (bos and text.startswith(bos))}
        if images:
            options |= {"images": images} | self._bounded(images)
        self._seen.digests = digests
        try:
            batch = self._processor(text=text, return_tensors="pt", **options)
        except (ValueError, TypeError, RuntimeError) as error:
            raise MLLMUnavailableError(
                f"the model's processor does not take these images and texts ({told(error)})"
            ) from error
        return {key: value for key, value in batch.items() if isinstance(value, torch.Tensor)}

    def _bounded(self, images: Sequence[Image.Image]) -> dict[str, Any]:
        """Processors that enlarge each image and cut it into tiles make no more than it has."""
        tile = getattr(self._seen, "max_image_size", None)
        if not isinstance(tile, dict) or "longest_edge" not in tile:
            return {}
        edge, longest = tile["longest_edge"], max(max(image.size) for image in images)
        most = self._seen.size["longest_edge"]
        return {"size": {"longest_edge": min(most, edge * -(-longest // edge))}}

    def _image_end(self, ids_T: torch.Tensor) -> int:
        if self._image_token_id is None:
            return 0
        places = (ids_T == self._image_token_id).nonzero()
        return int(places[-1]) + 1 if len(places) else 0


class _SeenImages:
    """An image processor that does not look again at the images that it saw last."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.digests: tuple[str, ...] = ()
        self._key: object = None
        self._value: BatchFeature | None = None

    def __call__(self, images: object, *args: object, **options: object) -> BatchFeature:
        key = (self.digests, args, repr(sorted(options.items())))
        if self._value is None or key != self._key:
            self._value = self._inner(images, *args, **options)
            self._key = key
        # Processors take some entries out.
        return BatchFeature(dict(self._value))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def fit(image: Image.Image, max_pixels: int) -> Image.Image:
    """An image in colours, reduced to at most so many pixels with its shape kept."""
    width, height = image.size
    scale = (max_pixels / (width * height)) ** 0.5
    if scale < 1:
        size = (max(1, int(width * scale)), max(1, int(height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return image.convert("RGB")


def digest(image: Image.Image) -> str:
    """Tells images apart by size and pixels."""
    return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()


def _images(messages: Sequence[Message]) -> list[Image.Image]:
    parts = itertools.chain.from_iterable(message.content for message in messages)
    return [part for part in parts if isinstance(part, Image.Image)]


def _control_texts(processor: ProcessorMixin) -> list[str]:
    """Texts that mean something else to a model than their letters, longest first."""
    names = ("image_token", "video_token", "audio_token", "boi_token", "eoi_token")
    placeholders = {getattr(processor, name, None) for name in names}
    added = processor.tokenizer.added_tokens_decoder.values()
    # Some vocabularies also add blanks and line feeds; these end no turn.
    marks = {t.content for t in added if t.special or re.fullmatch("<.+>", t.content)}
    texts = {text for text in placeholders | marks if isinstance(text, str) and text.strip()}
    return sorted(texts, key=lambda text: (-len(text), text))


def told(error: Exception) -> str:
    """An error of a library in a short line."""
    why = " ".join(str(error).split())
    why = why if len(why) <= MAX_TOLD else why[: MAX_TOLD - 1] + "…"
    return f"{type(error).__name__}: {why}"
