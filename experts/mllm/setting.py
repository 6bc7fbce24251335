"""Which language model is wanted, in one field, and the model itself.

``none``: no model. ``nano``: the embedded one. ``auto``: the best recommended one that is on this
machine and fits. ``http://host:8000/v1`` (or https): a server. Everything else: a folder, or the
name of a model on the hub, as ``echo-iad models pull`` fetched it.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from experts.errors import MLLMUnavailableError
from experts.mllm.base import MLLM
from experts.mllm.memory import Precision

if TYPE_CHECKING:
    from experts.mllm.finding import Found

NONE, NANO, AUTO = "none", "nano", "auto"
# About a million pixels: 1,300 tokens of Qwen2.5-VL.
MAX_PIXELS = 1024 * 1024


class MLLMSetting(BaseModel):
    """Which language model is wanted, and how.

    Attributes:
        mllm: See the top of this file.
        mllm_precision: Of the weights of a local model; by default ``nf4``, with ``auto`` the most
            precise that fits.
        mllm_max_pixels: Larger images are reduced to so many pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mllm: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = NONE
    mllm_precision: Precision | None = None
    mllm_max_pixels: Annotated[int, Field(ge=1024)] = MAX_PIXELS


def is_server(mllm: str) -> bool:
    """Whether a setting names a server."""
    return mllm.lower().startswith(("http://", "https://"))


def open_mllm(setting: MLLMSetting, home: Path) -> MLLM | None:
    """The model that a setting names; inspectors of one process share it.

    Args:
        setting: Which one.
        home: Echo's home, where fetched models are.

    Returns:
        None if none is wanted, or if ``auto`` finds none that fits.

    Raises:
        MLLMError: If there is no such model, or it cannot be loaded.
    """
    if setting.mllm == NONE:
        return None
    if setting.mllm == NANO:
        raise MLLMUnavailableError(
            "nano: this version comes without its embedded language model; set mllm to none, or to "
            "a model that `echo-iad models` lists"
        )
    if is_server(setting.mllm):
        from experts.mllm.server import ServerMLLM

        return ServerMLLM(setting.mllm, max_pixels=setting.mllm_max_pixels)
    if setting.mllm == AUTO:
        return _best(setting, home)
    from experts.mllm.finding import find_model

    found = find_model(setting.mllm, home)
    return _local(found, setting.mllm_precision or "nf4", setting.mllm_max_pixels)


def _best(setting: MLLMSetting, home: Path) -> MLLM | None:
    from experts.mllm.finding import best_fit

    fit = best_fit(home)
    if fit is None:
        return None
    return _local(fit.found, setting.mllm_precision or fit.precision, setting.mllm_max_pixels)


# What is loaded in this process. Weights take gigabytes: nobody needs them twice.
_LOADED: dict[tuple[Path, str, Precision, int], MLLM] = {}
_LOADING = threading.Lock()


def _local(found: Found, precision: Precision, max_pixels: int) -> MLLM:
    from experts.mllm.local import load

    key = (found.folder.resolve(), found.revision, precision, max_pixels)
    with _LOADING:
        if key not in _LOADED:
            _LOADED[key] = load(
                found.folder,
                name=found.name,
                revision=found.revision,
                precision=precision,
                max_pixels=max_pixels,
            )
        return _LOADED[key]
