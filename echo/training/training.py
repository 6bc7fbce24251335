"""Trains adapters of the embedded language model (LoRA, Hu et al. 2021) on lessons."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from filelock import FileLock, Timeout
from safetensors.torch import save
from transformers import AutoTokenizer

from echo.progress import Progress
from echo.storage import writable_folder, write_bytes
from echo.training.checkpoint import load_checkpoint, save_checkpoint
from echo.training.curves import draw
from echo.training.lessons import Lesson
from echo.training.losses import Losses, losses
from echo.training.reading import LessonReader, Row
from echo.training.recipe import Recipe
from experts.errors import TrainingError
from experts.mllm.local.prompting import told
from experts.mllm.nano.loading import TEXTS, WEIGHTS, base_model, quiet_peft
from experts.mllm.nano.prompting import TextPrompter
from experts.mllm.nano.texts import texts

if TYPE_CHECKING:
    from peft import PeftModel

# Gradients that are longer are cut to this, so that one odd lesson moves little.
MAX_NORM = 1.0
# All linear layers of a block of SmolLM2.
_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CHECKPOINT, LOG, CURVES = "checkpoint.safetensors", "losses.jsonl", "losses.png"
# Lessons by which a run is examined have numbers that no run reaches.
EXAMINED_FROM = 10_000_000
# Lessons by which runs are told apart; of a line's, those of even numbers need no image.
TELLING = (0, 2, 4)

# The lesson of a number, always the same; those by which a run is examined come in held-out words.
Source = Callable[[int], Lesson]


class Point(NamedTuple):
    """Where the losses were at a step.

    Attributes:
        step: Number of the step.
        writing: Nats per token of right answers.
        right: Share of the questions with options that were answered right; only where examined.
        examined: Whether this is of the lessons that are kept from training.
    """

    step: int
    writing: float
    right: float | None
    examined: bool


def train(
    source: Source,
    recipe: Recipe,
    base: Path,
    folder: Path,
    bars: Progress,
    start: Path | None = None,
) -> Path:
    """Train adapters; goes on where an earlier run was interrupted.

    Args:
        source: Gives the lessons.
        recipe: How.
        base: Folder with the unpacked base weights.
        folder: Where checkpoint, losses and the adapter are written.
        bars: Show how far it is.
        start: Folder with the adapters to begin with, of the recipe's rank and layers; by default
            they are fresh.

    Returns:
        The folder with the adapters, in the form of peft.

    Raises:
        TrainingError: If there is a checkpoint of another run.
        OutputError: If it cannot be written.
    """
    writable_folder(folder)
    torch.manual_seed(recipe.seed)
    model = _with_adapters(base, recipe) if start is None else _with_these(base, start)
    weights = {name: w for name, w in model.named_parameters() if w.requires_grad}
    optimizer = torch.optim.AdamW(weights.values(), lr=1.0, weight_decay=0.0, betas=(0.9, 0.98))
    run = _Run(model, source, recipe, base)
    done = load_checkpoint(folder / CHECKPOINT, weights, optimizer, run.sha256)
    log = _Log(folder, done)
    with bars.task("training", recipe.steps) as advance:
        advance(done)
        for step in range(done, recipe.steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, recipe)
            log.add(run.learn(step))
            torch.nn.utils.clip_grad_norm_(weights.values(), MAX_NORM)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if (step + 1) % recipe.checkpoint == 0 or step + 1 == recipe.steps:
                log.add(run.examine(step))
                # A log that is ahead is cut at the checkpoint; one behind it would have gaps.
                log.write()
                save_checkpoint(folder / CHECKPOINT, step + 1, weights, optimizer, run.sha256)
            advance(1)
    return save_adapter(model, folder)


@contextlib.contextmanager
def held(folder: Path, what: str) -> Iterator[Path]:
    """The folder of a run, held against other processes.

    Args:
        folder: The folder; made if it is not there.
        what: What is trained, as it is said of another process that does.

    Raises:
        OutputError: If it cannot be written.
        TrainingError: If another process holds it.
    """
    try:
        with FileLock(writable_folder(folder) / ".lock", timeout=0):
            yield folder
    except Timeout as error:
        raise TrainingError(f"another process trains {what}; wait until it has ended") from error


def learning_rate(step: int, recipe: Recipe) -> float:
    """Rises linearly, then falls along a cosine to a tenth."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    along = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * (0.55 + 0.45 * math.cos(math.pi * along))


class _Run:
    """The model, and the lessons that it is given."""

    def __init__(self, model: PeftModel, source: Source, recipe: Recipe, base: Path) -> None:
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
        end = model.generation_config.eos_token_id
        self._model, self._source, self._recipe = model, source, recipe
        self._reader = LessonReader(TextPrompter(tokenizer), end)
        self.sha256 = self._told_apart()

    def learn(self, step: int) -> Point:
        """Gather the gradients of a step."""
        count, found = self._recipe.lessons, []
        self._model.train()
        for number in range(step * count, (step + 1) * count):
            loss = self._losses(number, wrong=False).writing
            torch.autograd.backward(loss / count)
            found.append(float(loss.detach()))
            del loss
            _give_back_memory()
        if not all(map(math.isfinite, found)):
            raise TrainingError(f"step {step}: the loss is no number; take a lower learning rate")
        return Point(step, float(np.mean(found)), None, examined=False)

    def examine(self, step: int) -> Point:
        """How it fares with lessons that it does not learn from."""
        self._model.eval()
        numbers = range(EXAMINED_FROM, EXAMINED_FROM + self._recipe.examined)
        with torch.no_grad():
            found = [self._losses(n, wrong=True) for n in numbers]
        writing = float(np.mean([float(lost.writing) for lost in found]))
        right = [is_right for lost in found for is_right in lost.chosen_right]
        return Point(step, writing, float(np.mean(right)) if right else None, examined=True)

    def _told_apart(self) -> str:
        """A hash of the recipe and of some lessons: who changes how these are made begins anew."""
        read = [self._read(number, wrong=False) for number in TELLING]
        return hashlib.sha256(f"{self._recipe.sha256} {read}".encode()).hexdigest()

    def _read(self, number: int, *, wrong: bool) -> list[Row]:
        rng = np.random.default_rng([self._recipe.seed, number])
        return self._reader.read(self._source(number), rng, wrong=wrong)

    def _losses(self, number: int, *, wrong: bool) -> Losses:
        rows = self._read(number, wrong=wrong)
        with torch.autocast(self._model.device.type, torch.bfloat16):
            return losses(self._model, rows)


def _give_back_memory() -> None:
    """Lessons differ in length, so what they free stays with glibc in pieces: gigabytes in time."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


class _Log:
    """The losses so far, in a file and in a picture, as far as there is a checkpoint."""

    def __init__(self, folder: Path, done: int) -> None:
        self._folder = folder
        self._points = [point for point in _read(folder / LOG) if point.step < done]

    def add(self, point: Point) -> None:
        self._points.append(point)

    def write(self) -> None:
        lines = (json.dumps(point._asdict()) for point in self._points)
        write_bytes(self._folder / LOG, "".join(f"{line}\n" for line in lines).encode())
        write_bytes(self._folder / CURVES, draw(self._points))


def _read(path: Path) -> Iterator[Point]:
    try:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        yield from [Point(**json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{path}: cannot be read ({error}); delete it and go on") from error


def _with_adapters(base: Path, recipe: Recipe) -> PeftModel:
    model = base_model(base)
    layers = list(range(recipe.first_layer, count := model.config.num_hidden_layers))
    if not layers:
        raise TrainingError(
            f"first_layer is {recipe.first_layer}, but the model has {count} layers; begin earlier"
        )
    with quiet_peft():
        from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.rank,
        target_modules=_LINEAR,
        layers_to_transform=layers,
        task_type="CAUSAL_LM",
    )
    with quiet_peft():
        return get_peft_model(model, config)


def _with_these(base: Path, start: Path) -> PeftModel:
    model = base_model(base)
    try:
        with quiet_peft():
            from peft import PeftModel

            return PeftModel.from_pretrained(model, start, is_trainable=True)
    # What the code of libraries raises over damaged files cannot be foreseen.
    except Exception as error:
        raise TrainingError(
            f"{start}: are no adapters to begin with ({told(error)}); install Echo again"
        ) from error


def save_adapter(model: PeftModel, folder: Path) -> Path:
    """Write the adapters in bfloat16, in the form of peft, each file whole or not at all."""
    from peft import get_peft_model_state_dict

    place = writable_folder(folder / "adapter")
    # Else peft asks the hub whether the base has other embeddings by now.
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {n: w.detach().to("cpu", torch.bfloat16).contiguous() for n, w in state.items()}
    # What the base is called on this machine is of no use elsewhere.
    config = model.peft_config["default"].to_dict() | {
        "base_model_name_or_path": "SmolLM2-135M-Instruct",
        "inference_mode": True,
    }
    told = {name: value for name, value in config.items() if value is not None}
    text = json.dumps(told, indent=2, sort_keys=True, default=sorted)
    write_bytes(place / "adapter_config.json", f"{text}\n".encode())
    metadata = {"format": "pt", TEXTS: str(texts().version)}
    write_bytes(place / WEIGHTS, save(tensors, metadata=metadata))
    return place
