"""The recommended language models."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from experts.errors import MLLMSettingError
from experts.mllm.memory import Shape

FILE = Path(__file__).with_name("models.yaml")
_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")


class Entry(BaseModel):
    """One model of the catalogue.

    Attributes:
        id: Its name on the hub.
        short: A name that is quicker to type.
        licence: As its card names it.
        config: The figures of its configuration that make its architecture.
        shape: What was counted on that architecture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    short: str
    licence: str
    config: dict[str, Any]
    shape: Shape


@functools.cache
def catalogue() -> tuple[Entry, ...]:
    """All recommended models, by family and size."""
    from ruamel.yaml import YAML

    document = YAML(typ="safe").load(FILE.read_text(encoding="utf-8"))
    return tuple(TypeAdapter(list[Entry]).validate_python(document))


def hub_id(name: str) -> str:
    """The name on the hub of a model that is given by this name, or by its short name.

    Raises:
        MLLMSettingError: If it can be neither.
    """
    known = {entry.short: entry.id for entry in catalogue()}
    if name.lower() in known:
        return known[name.lower()]
    if not _HUB_ID.fullmatch(name) or "--" in name or ".." in name:
        raise MLLMSettingError(
            f"{name!r} is no model's name; give one as ORG/NAME, or one of the short names that "
            "`echo-iad models` lists"
        )
    return name
