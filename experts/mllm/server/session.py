"""What is known of one model of a server: its name, its state, and what the server cannot do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2

from experts.errors import MLLMSettingError, MLLMUnavailableError
from experts.mllm.server.address import ServerAddress
from experts.mllm.server.fault import FaultError, quoted
from experts.mllm.server.shapes import Entry, Models, read_shape
from experts.mllm.server.wire import Wire, read_json

R = TypeVar("R")

LOOK_S = 5.0
# Some servers do not list their models.
LOOKS = 2
# How servers say that they do not know a field.
REJECTED = {400, 422, 501}
UNKNOWN = "unknown"


class Session:
    """Asks one model of a server, and remembers what it learns. Threads may share it.

    Args:
        address: The server, and its model if one was chosen.
        wire: Makes the calls.

    Attributes:
        lacks: Features that the server does not have, as was found so far.
        model: What is asked for; None until the only one that is served has been found.
        revision: Which state of the model it is, as far as the server says.
    """

    def __init__(self, address: ServerAddress, wire: Wire) -> None:
        self.lacks: frozenset[str] = frozenset()
        self.model = address.model
        self.revision = UNKNOWN
        # Features that were taken once: whatever is rejected later, they are not why.
        self._takes: frozenset[str] = frozenset()
        self._chosen = address.model is not None
        self._url = address.url
        self._wire = wire
        self._lock = threading.Lock()
        self._entries: tuple[Entry, ...] | None = None
        self._looks_left = LOOKS
        self._fingerprint: str | None = None

    @property
    def name(self) -> str:
        """Model and server."""
        return self._url if self.model is None else f"{self.model} @ {self._url}"

    def ask(
        self,
        fields: Mapping[str, Any],
        optional: Mapping[str, Mapping[str, Any]],
        read: Callable[[httpx2.Response], R],
        may_repeat: Callable[[], bool] = lambda: True,
    ) -> R:
        """Ask for an answer.

        Args:
            fields: What every server knows.
            optional: Fields by the feature that they ask for, the least needed one first. A feature
                that the server rejects is done without, from then on.
            read: Reads the answer; it may raise a ``FaultError``.
            may_repeat: Whether, after a failure, the answer may still be asked for anew.

        Raises:
            MLLMError: In one sentence, what went wrong.
        """
        with self._named():
            model = self.model or self._find()
            wanted = {name: optional[name] for name in optional if name not in self.lacks}
            while True:
                body = {"model": model, **fields}
                for more in wanted.values():
                    body |= more
                try:
                    result = self._wire.call("chat/completions", body, read, may_repeat=may_repeat)
                    break
                except FaultError as fault:
                    self._forget_if_gone(fault)
                    suspects = {name: wanted[name] for name in wanted if name not in self._takes}
                    if (rejected := _rejected(fault, suspects)) is None:
                        raise
                    del wanted[rejected]
            # Only now is it known that nothing else was at fault.
            with self._lock:
                self.lacks |= optional.keys() - wanted.keys()
                self._takes |= wanted.keys()
            return result

    def lack(self, feature: str) -> None:
        """Remember what the server does not have."""
        with self._lock:
            self.lacks |= {feature}

    def learn(self, fingerprint: str | None) -> None:
        """Note which state of the model has answered; at first the server is asked for more.

        Nothing depends on it, so a server that does not tell is no failure.
        """
        if self._entries is None and self._looks_left > 0:
            self._looks_left -= 1
            with suppress(FaultError):
                self._entries = self._look(timeout_s=LOOK_S, retries=0)
        self._note(fingerprint)

    def check(self) -> None:
        """Look whether the server is there and serves the model.

        Raises:
            MLLMError: In one sentence, what is wrong.
        """
        with self._named():
            self._entries = entries = self._look(timeout_s=LOOK_S, retries=0)
        # A server that loads models when they are asked for may list none; Ollama lists its models
        # with a tag, which may be left out if it is this one.
        names = {self.model, f"{self.model}:latest"}
        if self._chosen and entries and not names & {entry.id for entry in entries}:
            raise MLLMSettingError(
                f"{self._url}: serves {_listed(entries)}, not {self.model}; name a model that it "
                "serves"
            )
        if not self._chosen:
            self.model = self._only(entries)
        self._note(None)

    def _find(self) -> str:
        self.model = model = self._only(self._look())
        return model

    def _only(self, entries: Sequence[Entry]) -> str:
        if not entries:
            raise MLLMUnavailableError(f"{self._url}: serves no model; start the server with one")
        if len({entry.id for entry in entries}) > 1:
            raise MLLMSettingError(
                f"{self._url}: serves several models ({_listed(entries)}); choose one by writing "
                f"its name behind a #, as in {self._url}#{quote(entries[0].id, safe='/:@')}"
            )
        return entries[0].id

    def _look(
        self, timeout_s: float | None = None, retries: int | None = None
    ) -> tuple[Entry, ...]:
        def read(response: httpx2.Response) -> tuple[Entry, ...]:
            return read_shape(read_json(response), Models).data or ()

        return self._wire.call("models", None, read, timeout_s=timeout_s, retries=retries)

    def _note(self, fingerprint: str | None) -> None:
        # Not every answer tells.
        self._fingerprint = fingerprint or self._fingerprint
        parts = [f"fingerprint {self._fingerprint}"] if self._fingerprint else []
        for entry in self._entries or ():
            if entry.id == self.model:
                parts += entry.state()
        if parts:
            self.revision = ", ".join(parts)

    def _forget_if_gone(self, fault: FaultError) -> None:
        """A server that was started anew with another model is asked again for what it serves."""
        if fault.status == 404 and not self._chosen:
            self.model = None

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except FaultError as fault:
            raise fault.named(self._url) from None


def _listed(entries: Sequence[Entry]) -> str:
    """The names of models, as many as a sentence bears."""
    return quoted(", ".join(dict.fromkeys(entry.id for entry in entries)))[1:-1]


def _rejected(fault: FaultError, suspects: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The feature that a server may have refused: the one it names, or else the first."""
    if fault.status not in REJECTED:
        return None
    named = [name for name, more in suspects.items() if any(field in fault.said for field in more)]
    return next(iter([*named, *suspects]), None)
