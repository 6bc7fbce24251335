"""From a conversation to the tokens that a model reads: chat template, images, pixel budget."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jinja2 import TemplateError
from PIL import Image
from transformers import ProcessorMixin

from experts.errors import MLLMUnavailableError
from experts.mllm.base import Message, assistant
from experts.mllm.content import joined, reduced

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
        self._last: Prompt | None = None
        template = processor.chat_template or self._tokenizer.chat_template
        # What a model thinks aloud costs time, and nobody reads it.
        self._how = {"enable_thinking": False} if "enable_thinking" in str(template) else {}
        self._control = _control_texts(processor)

    @property
    def tokenizer(self) -> Any:
        """Of the model's processor."""
        return self._tokenizer

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
        images = _images(messages)
        digests = tuple(digest(image) for image in images)
        self._last = self._go_on(text, digests) or self._read_anew(text, images, digests)
        return self._last

    def forget(self) -> None:
        """Drop the last prompt and its images."""
        self._last = None

    def _go_on(self, text: str, digests: tuple[str, ...]) -> Prompt | None:
        """As the last prompt up to where they depart; None if that is not behind all images."""
        last = self._last
        if last is None or last.images != digests:
            return None
        pairs = enumerate(zip(last.text, text, strict=False))
        same = next((n for n, (a, b) in pairs if a != b), min(len(last.text), len(text)))
        cut = self._behind_control(text[:same])
        old_ids, new_ids = self._tokens([last.text[cut:], text[cut:]])
        n = len(last.ids_T) - len(old_ids)
        if n < last.image_end or last.ids_T[n:].tolist() != old_ids:
            return None
        ids_T = torch.cat([last.ids_T[:n], torch.tensor(new_ids, dtype=torch.long)])
        return replace(last, ids_T=ids_T, text=text)

    def _behind_control(self, text: str) -> int:
        """Where the last control token ends: no other token reaches across it."""
        return max((text.rfind(c) + len(c) for c in self._control if c in text), default=0)

    def answer_ids(
        self, messages: Sequence[Message], prompt: Prompt, answers: Sequence[str]
    ) -> tuple[tuple[int, ...], ...]:
        """Tokens by which a prompt goes on with each answer, in the template's own spacing.

        Raises:
            MLLMUnavailableError: If the tokens of an answer cannot be told from the prompt's.
        """
        answers = [answer.strip() for answer in answers]
        joint = self._joint(messages, prompt, answers[0])
        tail = prompt.text[self._behind_control(prompt.text) :]
        tail_ids, *whole_ids = self._tokens([tail, *(tail + joint + a for a in answers)])
        known = prompt.ids_T[len(prompt.ids_T) - len(tail_ids) :].tolist()
        found = []
        for answer, ids in zip(answers, whole_ids, strict=True):
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
        return str(
            self._tokenizer.decode(
                ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        return [list(ids) for ids in self._tokenizer(texts, add_special_tokens=False)["input_ids"]]

    def _render(self, messages: Sequence[Message], **how: bool) -> str:
        conversation = [
            {"role": m.role, "content": [self._part(part) for part in joined(m.content)]}
            for m in messages
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

    def _read_anew(self, text: str, images: list[Image.Image], digests: tuple[str, ...]) -> Prompt:
        bos = self._tokenizer.bos_token
        options: dict[str, Any] = {"add_special_tokens": not (bos and text.startswith(bos))}
        if images:
            fitted = [reduced(image, self._max_pixels).convert("RGB") for image in images]
            options |= {"images": fitted} | self._bounded(fitted)
        try:
            batch = self._processor(text=text, return_tensors="pt", **options)
        except (ValueError, TypeError, RuntimeError) as error:
            raise MLLMUnavailableError(
                f"the model's processor does not take these images and texts ({told(error)}); take "
                "images of other sizes, or another model"
            ) from error
        ids_T = batch["input_ids"][0]
        others = {k: v for k, v in batch.items() if k not in {"input_ids", "attention_mask"}}
        visual = {k: v for k, v in others.items() if isinstance(v, torch.Tensor)}
        return Prompt(ids_T, digests, self._image_end(ids_T), visual, text)

    def _bounded(self, images: Sequence[Image.Image]) -> dict[str, Any]:
        """Processors that enlarge each image and cut it into tiles make no more than it has."""
        tile = getattr(self._processor.image_processor, "max_image_size", None)
        if not isinstance(tile, dict) or "longest_edge" not in tile:
            return {}
        edge, longest = tile["longest_edge"], max(max(image.size) for image in images)
        most = self._processor.image_processor.size["longest_edge"]
        return {"size": {"longest_edge": min(most, edge * -(-longest // edge))}}

    def _image_end(self, ids_T: torch.Tensor) -> int:
        if self._image_token_id is None:
            return 0
        places = (ids_T == self._image_token_id).nonzero()
        return int(places[-1]) + 1 if len(places) else 0


def digest(image: Image.Image) -> str:
    """Tells images apart by size, mode and pixels."""
    if image.mode == "P":  # its pixels are numbers of colours
        image = image.convert("RGBA")
    state = hashlib.sha256(f"{image.size} {image.mode}".encode())
    state.update(image.tobytes())
    return state.hexdigest()


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
