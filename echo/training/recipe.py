"""How the embedded model is trained: all that can be set, and nothing that is decided elsewhere."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, lt=1)]


class Recipe(BaseModel):
    """A training run; two with the same recipe on the same machine give the same weights.

    Attributes:
        seed: Of lessons, order and first weights.
        steps: How often the weights are moved.
        lessons: Sheets for each step.
        asks: Questions on each sheet.
        rank: Of the adapters (LoRA, Hu et al. 2021).
        first_layer: Layers before it are left as they are.
        learning_rate: The highest, after the warm-up; it falls along a cosine to a tenth.
        warmup: Steps until it is reached.
        choosing: Weight of choosing the right option beside writing it.
        checkpoint: A checkpoint is written each so many steps.
        examined: Lessons that are kept from training, by which its course is told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: Annotated[int, Field(ge=0)] = 0
    steps: Count = 600
    lessons: Count = 3
    asks: Count = 18
    rank: Count = 32
    first_layer: Annotated[int, Field(ge=0)] = 8
    learning_rate: Rate = 6e-4
    warmup: Count = 30
    choosing: Annotated[float, Field(ge=0)] = 1.0
    checkpoint: Count = 50
    examined: Count = 24

    @property
    def sha256(self) -> str:
        """Tells recipes apart."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """A recipe from a YAML file; what is not in it is as above."""
        from ruamel.yaml import YAML

        return cls.model_validate(YAML(typ="safe").load(path.read_text("utf-8")) or {})
