"""How the embedded model is trained: all that can be set, and nothing that is decided elsewhere."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from experts.errors import TrainingError

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
        checkpoint: A checkpoint is written each so many steps.
        examined: Lessons that are kept from training, by which its course is told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: Annotated[int, Field(ge=0)] = 0
    steps: Count = 1500
    lessons: Count = 1
    asks: Count = 28
    rank: Count = 32
    first_layer: Annotated[int, Field(ge=0)] = 8
    learning_rate: Rate = 1e-3
    warmup: Count = 20
    checkpoint: Count = 100
    examined: Count = 12

    @property
    def sha256(self) -> str:
        """Tells recipes apart."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """A recipe from a YAML file; what is not in it is as above.

        Raises:
            TrainingError: If it cannot be read, or is no recipe.
        """
        try:
            said = YAML(typ="safe").load(path.read_text("utf-8"))
            return cls.model_validate({} if said is None else said)
        except OSError as error:
            why = error.strerror or str(error)
            raise TrainingError(f"{path}: cannot be read ({why}); name a recipe") from error
        except (UnicodeDecodeError, YAMLError) as error:
            raise TrainingError(
                f"{path}: is no YAML text; see echo/training/recipe.yaml"
            ) from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise TrainingError(
                f"{path}: {place}: {first['msg']}; the fields are {', '.join(cls.model_fields)}"
            ) from error
