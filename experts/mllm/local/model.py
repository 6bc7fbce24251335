"""A multimodal language model on this machine: any of transformers that sees images and texts."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from pydantic import BaseModel
from transformers import Cache, LogitsProcessorList, PreTrainedModel, StoppingCriteriaList

from experts.errors import MLLMError, MLLMUnavailableError
from experts.mllm.base import (
    MAX_TOKENS,
    MLLM,
    Choice,
    Cost,
    Generation,
    Message,
    check_asked,
    check_options,
)
from experts.mllm.local.constraining import Grammars
from experts.mllm.local.listening import Listener
from experts.mllm.local.prefix import Reader
from experts.mllm.local.prompting import Prompt, Prompter, told
from experts.mllm.local.saying import say
from experts.mllm.local.weighing import Asked, Weighed, weigh


class LocalMLLM(MLLM):
    """A model in this process; ``experts.mllm.local.load`` makes one from a folder.

    Threads may share it: they wait for each other.

    Args:
        model: With its weights, on its device.
        prompter: Of the same model.
        name: As the setting names it.
        revision: Which weights these are.
    """

    def __init__(
        self, model: PreTrainedModel, prompter: Prompter, *, name: str, revision: str
    ) -> None:
        self.name = name
        self.revision = revision
        self._model = model
        self._prompter = prompter
        self._reader = Reader(model)
        self._vocabulary = model.get_output_embeddings().weight.shape[0]
        self._grammars = Grammars(prompter.tokenizer, self._vocabulary, self._ends)
        self._turn = threading.RLock()

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = MAX_TOKENS,
        stop: Sequence[str] = (),
        stream: Callable[[str], None] | None = None,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Generation:
        """Write an answer; see ``MLLM.generate``."""
        check_asked(messages, max_tokens, temperature)
        drawn = {"do_sample": True, "temperature": temperature} if temperature else {}
        how = {**drawn, "max_new_tokens": max_tokens}
        return self._generate(messages, how, stop=stop, stream=stream, seed=seed)

    def say(
        self,
        messages: Sequence[Message],
        sentences: Sequence[str],
        *,
        many: bool = False,
        max_tokens: int = MAX_TOKENS,
    ) -> Generation:
        """Write an answer of some of these sentences; see ``MLLM.say``."""
        check_asked(messages, max_tokens, 0.0)
        said = check_options(sentences)
        with self._speaking() as start:
            prompt = self._prompter.read(messages)
            n = len(prompt.ids_T)
            cache, known = self._reader.read(prompt, n - 1)
            matcher = self._grammars.of_sentences(said, many=many)
            last = int(prompt.ids_T[-1])
            ids, ended = say(self._reader, cache, last, matcher, self._ends, max_tokens)
            text = self._prompter.decode(ids)
            cost = Cost(n, known, len(ids), time.perf_counter() - start)
        return Generation(text, "stop" if ended else "length", cost)

    def _generate_for(
        self, messages: Sequence[Message], schema: type[BaseModel], max_tokens: int
    ) -> Generation:
        return self._generate(messages, {"max_new_tokens": max_tokens}, schema=schema)

    def _generate(
        self,
        messages: Sequence[Message],
        how: dict[str, Any],
        *,
        schema: type[BaseModel] | None = None,
        stop: Sequence[str] = (),
        stream: Callable[[str], None] | None = None,
        seed: int = 0,
    ) -> Generation:
        with self._speaking() as start:
            prompt = self._prompter.read(messages)
            n = len(prompt.ids_T)
            cache, known = self._reader.read(prompt, n - 1)
            listener = Listener(self._prompter.decode, n, stop, stream)
            if schema is not None and (constraint := self._grammars.of(schema, n)) is not None:
                how = {**how, "logits_processor": LogitsProcessorList([constraint])}
            ids_T = self._write(prompt, cache, listener, how, seed)
            listener.finish()
            length = len(ids_T) - n
            ended = listener.stopped or int(ids_T[-1]) in self._ends
            cost = Cost(n, known, length, time.perf_counter() - start)
        if listener.raised is not None:
            raise listener.raised
        return Generation(listener.text, "stop" if ended else "length", cost)

    def close(self) -> None:
        """Drop what it remembers of earlier questions; the weights go when it is dropped itself."""
        with self._turn:
            self._reader.forget()
            self._prompter.forget()

    def _choose(self, asked: Sequence[tuple[Sequence[Message], tuple[str, ...]]]) -> list[Choice]:
        with self._speaking() as start:
            questions = [self._asked(messages, options) for messages, options in asked]
            # Those that show other images share nothing.
            groups = itertools.groupby(questions, key=lambda q: q.prompt.images)
            weighed = [w for _, g in groups for w in weigh(self._reader, list(g), self._vocabulary)]
            seconds = (time.perf_counter() - start) / len(asked)
        return [
            Choice(options, result.probabilities, True, _cost(question, result, seconds))
            for (_, options), question, result in zip(asked, questions, weighed, strict=True)
        ]

    def _asked(self, messages: Sequence[Message], options: Sequence[str]) -> Asked:
        prompt = self._prompter.read(messages)
        return Asked(prompt, self._prompter.answer_ids(messages, prompt, options))

    def _write(
        self,
        prompt: Prompt,
        cache: Cache | None,
        listener: Listener,
        how: dict[str, Any],
        seed: int,
    ) -> torch.Tensor:
        """The prompt's tokens and those of the answer."""
        ids_NT = prompt.ids_T[None].to(self._model.device)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            written_NT: torch.Tensor = self._model.generate(
                input_ids=ids_NT,
                attention_mask=torch.ones_like(ids_NT),
                past_key_values=cache,
                stopping_criteria=StoppingCriteriaList([listener]),
                # No image stands behind a placeholder that a model writes.
                suppress_tokens=self._prompter.image_tokens,
                **how,
            )
        return written_NT[0]

    @property
    def _ends(self) -> list[int]:
        ends = self._model.generation_config.eos_token_id
        return ends if isinstance(ends, list) else [] if ends is None else [ends]

    @contextmanager
    def _speaking(self) -> Iterator[float]:
        """One question at a time; whatever breaks in the model is told in one sentence."""
        with self._turn, torch.inference_mode():
            try:
                yield time.perf_counter()
            except MLLMError as error:
                raise type(error)(f"{self.name}: {error}") from error
            except torch.OutOfMemoryError as error:
                self._reader.forget()
                raise MLLMUnavailableError(
                    f"{self.name}: ran out of the GPU's memory; take a smaller model or precision, "
                    "or fewer pixels an image"
                ) from error
            # What the code of one of many architectures raises cannot be foreseen.
            except Exception as error:
                self._reader.forget()
                raise MLLMUnavailableError(
                    f"{self.name}: broke down ({told(error)}); take another model"
                ) from error


def _cost(question: Asked, weighed: Weighed, seconds: float) -> Cost:
    prompt_tokens = len(question.prompt.ids_T)
    answer_tokens = sum(map(len, question.answers))
    return Cost(prompt_tokens, weighed.known_tokens, answer_tokens, seconds)
