"""How a closer look is asked for."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from experts.evidence import Tool

# Of so many references a place is compared with at most.
MAX_K = 5
MAX_TARGET = 200


class Call(BaseModel):
    """A request for a closer look.

    Attributes:
        tool: Which one.
        target: For ``zoom``, ``compare`` and ``measure`` the id of a region, such as ``region-1``,
            or a place in words, such as ``top left``; for ``lookup`` what to look up.
        k: For ``compare``: with how many references.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: Tool
    target: Annotated[str, Field(max_length=MAX_TARGET)] = ""
    k: Annotated[int, Field(ge=1, le=MAX_K)] = 3
