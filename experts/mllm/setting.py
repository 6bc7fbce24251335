"""Which language model is wanted, in one field, and the model itself.

``none``: no model. ``nano``: the embedded one, the default where it is here. ``auto``: the best
recommended one that is on this machine and fits, else the embedded one if that is here.
``http://host:8000/v1`` (or https): a server. Everything else: a folder with a model, or with
adapters of the embedded one as ``echo-iad train nano`` writes them, or the name of a model on the
hub, as ``echo-iad models pull`` fetched it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from experts.mllm.base import MLLM
from experts.mllm.memory import Precision

if TYPE_CHECKING:
    from experts.mllm.finding import Found
    from experts.mllm.nano.base import Adapters, Embedded
    from experts.mllm.server import ServerMLLM

NONE, NANO, AUTO = "none", "nano", "auto"
# About a million pixels: 1,300 tokens of Qwen2.5-VL.
MAX_PIXELS = 1024 * 1024


class MLLMSetting(BaseModel):
    """Which language model is wanted, and how.

    Attributes:
        mllm: See the top of this file; what is the default where nothing is said, ``default_of``
            says.
        mllm_precision: Of the weights of a local model; by default ``nf4``, with ``auto`` the most
            precise that fits.
        mllm_max_pixels: Larger images are reduced to so many pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mllm: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = NONE
    mllm_precision: Precision | None = None
    mllm_max_pixels: Annotated[int, Field(ge=1024)] = MAX_PIXELS


class Local(NamedTuple):
    """A model on this machine, and at which precision it is wanted."""

    found: Found
    precision: Precision


def default_of(home: Path) -> str:
    """Which model is taken where nothing is said: the embedded one if it is here, else none.

    Args:
        home: Echo's home.
    """
    from experts.mllm.nano.base import is_here

    return NANO if is_here(home) else NONE


def look_up(setting: MLLMSetting, home: Path) -> Local | Embedded | ServerMLLM | None:
    """What a setting names; nothing is loaded, and no server is asked.

    Args:
        setting: Which model.
        home: Echo's home, where fetched models are.

    Returns:
        None if none is wanted, or if ``auto`` finds none.

    Raises:
        MLLMError: If there is no such model.
    """
    said = setting.mllm.lower()
    if said == NONE:
        return None
    from experts.mllm.nano.base import adapters_at, embedded

    if said == NANO:
        return embedded(home)
    if said.startswith(("http://", "https://")):
        from experts.mllm.server import ServerMLLM

        return ServerMLLM(setting.mllm, max_pixels=setting.mllm_max_pixels)
    from experts.mllm.finding import best_fit, find_model

    if said == AUTO:
        if fit := best_fit(home):
            return Local(fit.found, setting.mllm_precision or fit.precision)
        return look_up(setting.model_copy(update={"mllm": default_of(home)}), home)
    if adapters := adapters_at(setting.mllm):
        return embedded(home, adapters)
    return Local(find_model(setting.mllm, home), setting.mllm_precision or "nf4")


def open_mllm(
    setting: MLLMSetting, home: Path, adapters: Callable[[], Adapters | None] | None = None
) -> MLLM | None:
    """The model that a setting names; those of one process share its weights.

    Args:
        setting: Which model.
        home: Echo's home, where fetched models are.
        adapters: Gives those of the embedded model, if it is that; by default, and for ``None``,
            those that come with Echo.

    Returns:
        None if none is wanted, or if ``auto`` finds none.

    Raises:
        MLLMError: If there is no such model, or it cannot be loaded.
    """
    wanted = look_up(setting, home)
    if wanted is None or isinstance(wanted, MLLM):
        return wanted
    if isinstance(wanted, Local):
        return _loaded(*wanted, setting.mllm_max_pixels)
    from experts.mllm.nano.loading import SHIPPED, load_nano, revision

    sha256: str | None
    if wanted.adapters is not None:
        folder, sha256 = wanted.adapters, revision(wanted.adapters)
    else:
        folder, sha256 = (adapters() if adapters else None) or (SHIPPED, None)
    return _once((NANO, wanted.home.resolve(), sha256), lambda: load_nano(wanted.home, folder))


# What is loaded in this process. Weights take gigabytes: nobody needs them twice.
_LOADED: dict[tuple[Hashable, ...], MLLM] = {}
_LOADING = threading.Lock()


def _once(key: tuple[Hashable, ...], load: Callable[[], MLLM]) -> MLLM:
    with _LOADING:
        if key not in _LOADED:
            _LOADED[key] = load()
        return _LOADED[key]


def _loaded(found: Found, precision: Precision, max_pixels: int) -> MLLM:
    from experts.mllm.local import load

    return _once(
        (found.folder.resolve(), found.revision, precision, max_pixels),
        lambda: load(
            found.folder,
            name=found.name,
            revision=found.revision,
            precision=precision,
            max_pixels=max_pixels,
        ),
    )
