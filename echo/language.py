"""The language model of a line, opened when it is first needed."""

from __future__ import annotations

import os
import threading
import time
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from echo.settings import home_folder, mllm_setting
from experts.errors import LineError, MLLMError, MLLMUnavailableError, UnknownLineError
from experts.mllm import MLLM, setting

if TYPE_CHECKING:
    from experts.mllm.nano.base import Adapters

# A model that could not be opened is tried again after so long: a server may have come back.
RETRY_S = 60.0


def open_mllm(
    mllm: str | os.PathLike[str] | None = None,
    *,
    line: str | None = None,
    home: str | os.PathLike[str] | None = None,
) -> MLLM | None:
    """Open a language model.

    Args:
        mllm: What to open, as in ``settings.yaml``; by default what is set there.
        line: Name of the line whose settings count, and whose adapters, if the embedded model was
            trained for it.
        home: Echo's home; see ``echo.settings``.

    Returns:
        None if none is wanted, or if ``auto`` finds none.

    Raises:
        MLLMError: If there is no such model, or it cannot be loaded.
    """
    folder = home_folder(home)
    wanted = mllm_setting(folder, line, mllm)
    own = partial(_adapters_of, line, folder) if line is not None else None
    return setting.open_mllm(wanted, folder, own)


def _adapters_of(name: str, home: Path) -> Adapters | None:
    from echo.line import ProductLine

    try:
        return ProductLine.load(name, home=home).adapters
    except UnknownLineError:
        return None
    except LineError as error:
        raise MLLMUnavailableError(str(error)) from error


class Language:
    """Opens the language model that is set for a line.

    Args:
        home: Echo's home.
        line: Name of the line.
        mllm: A model, or what is set instead of the settings; see ``experts.mllm.setting``.
    """

    def __init__(
        self, home: Path, line: str, mllm: MLLM | str | os.PathLike[str] | None = None
    ) -> None:
        self._home, self._line = home, line
        self._model = mllm if isinstance(mllm, MLLM) else None
        self._said = None if isinstance(mllm, MLLM | None) else os.fspath(mllm)
        self._is_open = self._model is not None
        self._failed: tuple[float, MLLMError] | None = None
        self._opening = threading.Lock()

    @cached_property
    def wanted(self) -> bool:
        """Whether a model is set; it need not be there, nor fit."""
        if self._model is not None:
            return True
        try:
            return mllm_setting(self._home, self._line, self._said).mllm.lower() != setting.NONE
        except MLLMError:
            # Whoever opens it will hear what is wrong.
            return True

    def model(self) -> MLLM | None:
        """The model; None if none is wanted.

        Raises:
            MLLMError: If it cannot be opened.
        """
        with self._opening:
            if not self._is_open:
                self._open()
            return self._model

    def _open(self) -> None:
        if self._failed and time.monotonic() - self._failed[0] < RETRY_S:
            # One that is raised again and again would hold every frame that it came through.
            raise type(self._failed[1])(str(self._failed[1]))
        try:
            self._model = open_mllm(self._said, line=self._line, home=self._home)
        except MLLMError as error:
            self._failed = time.monotonic(), error
            raise
        self._is_open, self._failed = True, None
