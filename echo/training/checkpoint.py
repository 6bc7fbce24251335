"""Where a training run has come to: one file, written whole, from which it goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch.optim import Optimizer

from echo.storage import write_bytes
from experts.errors import TrainingError


def save_checkpoint(
    path: Path, step: int, weights: Mapping[str, torch.Tensor], optimizer: Optimizer, run: str
) -> None:
    """Write down where a run is.

    Args:
        path: The file.
        step: How many steps are done.
        weights: What is trained, by name, in the optimizer's order.
        optimizer: Its moments are kept.
        run: Which run it is: recipe and lessons; only the same one goes on from here.

    Raises:
        OutputError: If it cannot be written.
    """
    tensors = {f"weight.{name}": tensor.detach().cpu() for name, tensor in weights.items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"state.{number}.{key}": torch.as_tensor(v).cpu() for key, v in state.items()}
    about = {"step": str(step), "run": run}
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(contiguous, metadata={"about": json.dumps(about)}))


def load_checkpoint(
    path: Path, weights: Mapping[str, torch.Tensor], optimizer: Optimizer, run: str
) -> int:
    """Go on from where a run was; returns how many steps are done, 0 if there is no file.

    Raises:
        TrainingError: If it is of another run, or damaged.
    """
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            if about.get("run") != run:
                raise TrainingError(
                    f"{path}: is of a run by another recipe or on other lessons; delete it, or "
                    "take another folder"
                )
        state: dict[int, dict[str, torch.Tensor]] = {}
        tensors = load_file(path)
        _expect_whole(tensors, weights)
        for key, tensor in tensors.items():
            kind, rest = key.split(".", 1)
            if kind == "weight":
                weights[rest].data.copy_(tensor)
            else:
                number, name = rest.split(".", 1)
                state.setdefault(int(number), {})[name] = tensor
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise TrainingError(
            f"{path}: cannot be read ({error}); delete it and begin anew"
        ) from error
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return int(about["step"])


def _expect_whole(tensors: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor]) -> None:
    expected = [f"weight.{name}" for name in weights]
    expected += [f"state.{number}.exp_avg" for number in range(len(weights))]
    if missing := [name for name in expected if name not in tensors]:
        raise ValueError(f"{missing[0]} is missing")
