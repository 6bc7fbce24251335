"""What all evidence is: immutable, validated once, with arrays that survive JSON."""

from __future__ import annotations

import base64
import math
import zlib
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Verdict = Literal["accept", "reject", "review"]


def _array_to_json(array: NDArray[Any]) -> dict[str, Any]:
    packed = zlib.compress(np.ascontiguousarray(array).tobytes(), 6)
    return {
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "zlib_base64": base64.b64encode(packed).decode("ascii"),
    }


def _array_from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    raw = zlib.decompress(base64.b64decode(value["zlib_base64"]))
    return np.frombuffer(raw, dtype=value["dtype"]).reshape(value["shape"])


def _read_only(array: Any) -> Any:
    if not isinstance(array, np.ndarray):
        raise ValueError(f"expected a numpy array, got {type(array).__name__}")
    view = array.view()
    view.flags.writeable = False
    return view


Array = Annotated[
    NDArray[Any],
    BeforeValidator(lambda value: _read_only(_array_from_json(value))),
    PlainSerializer(_array_to_json, return_type=dict, when_used="json"),
]


# JSON knows no infinity and says null.
Limit = Annotated[float, BeforeValidator(lambda value: math.inf if value is None else value)]


class Evidence(BaseModel):
    """Base of all evidence: immutable, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
