"""What a local language model costs: memory, reading, writing, and ten questions beside one."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.memory import peak_mb
from benchmarks.random_model import write_random_model
from echo.storage import writable_folder, write_bytes
from experts.errors import EchoError
from experts.mllm import Message, Question, system, user, with_question
from experts.mllm.catalog import catalogue
from experts.mllm.local import load
from experts.mllm.memory import PRECISIONS, Precision, need, shape_of_folder

TINY = "tiny"
TINY_CONFIG: dict[str, Any] = {
    "model_type": "qwen2_5_vl",
    "tie_word_embeddings": False,
    "text_config": {
        "model_type": "qwen2_5_vl_text",
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": 2048,
    },
    "vision_config": {
        "model_type": "qwen2_5_vl_vision",
        "depth": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_heads": 4,
        "out_hidden_size": 256,
    },
}
EVIDENCE = (
    "What is normal: the surface is even and grey, with a fine grain and straight edges. Regions: "
    "region 1, top left, a thin dark line, 41 px long and 6 px wide, its peak is 2.3 times what "
    "normal images reach; region 2, bottom right, a small bright spot of 9 px. Clauses: the crack "
    "is longer than the limit of 20 px; the spot is within its limit."
)
ASKED = (
    *("Is there a defect in the part?", "What kind of defect is it?", "Where is the defect?"),
    *("How does the defect look?", "What does the defect do to the part?", "What is the part?"),
    *("Is the edge whole?", "Is the surface even?", "How many defects are there?"),
    "Which of the rules is broken?",
)
OPTIONS = "\nA. yes, it is\nB. no, it is not\nC. this cannot be seen\nD. none of these\nAnswer: "
QUESTIONS = tuple(Question(asked + OPTIONS, ("A", "B", "C", "D")) for asked in ASKED)
WRITTEN_TOKENS = 16
SYSTEM = "You inspect photos of industrial products."


def measure(folder: str, precision: Precision, side_px: int, rounds: int) -> dict[str, Any]:
    """Load a model and take its figures; runs in a process of its own."""
    path = Path(folder)
    start = time.perf_counter()
    model = load(path, name=path.name, revision="random", precision=precision)
    load_s = time.perf_counter() - start
    weights = _bytes_of(model)
    times: dict[str, list[float]] = {"one": [], "ten": [], "ten_together": [], "write": []}
    prompt_tokens = 0
    # The first round warms up: weights are read or packed, kernels chosen.
    for n in range(rounds + 1):
        taken = {}
        # Each sees an image that was not seen before.
        for k, what in enumerate(("one", "ten", "ten_together")):
            shown = _shown(3 * n + k, side_px)
            start = time.perf_counter()
            if what == "ten_together":
                model.choose_each(shown, QUESTIONS)
            else:
                for question in QUESTIONS[: 1 if what == "one" else None]:
                    asked = with_question(shown, question.text)
                    choice = model.choose(asked, question.options)
                    prompt_tokens = choice.cost.prompt_tokens
            taken[what] = time.perf_counter() - start
        shown = with_question(_shown(3 * n + 2, side_px), "Describe the part.")
        model.generate(shown, max_tokens=1)
        written = model.generate(shown, max_tokens=WRITTEN_TOKENS).cost
        taken["write"] = written.seconds / written.answer_tokens
        for what, seconds in taken.items():
            times[what] += [seconds] if n else []
    medians = {what: statistics.median(values) for what, values in times.items()}
    return {
        "precision": precision,
        "load_s": load_s,
        "weights_bytes": weights,
        "computed_bytes": need(shape_of_folder(path), precision)._asdict(),
        "peak_bytes": _peak_bytes(),
        "prompt_tokens": prompt_tokens,
        "seconds": medians,
        "read_tokens_per_s": prompt_tokens / medians["one"],
        "written_tokens_per_s": 1 / medians["write"],
        "ten_over_one": _ratio(times["ten"], times["one"]),
        "ten_together_over_one": _ratio(times["ten_together"], times["one"]),
    }


def _ratio(over: Sequence[float], under: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def _shown(seed: int, side_px: int) -> tuple[Message, ...]:
    pixels = np.random.default_rng(seed).integers(0, 256, (side_px, side_px, 3), dtype=np.uint8)
    return (system(SYSTEM), user("The part:", Image.fromarray(pixels), EVIDENCE))


def _bytes_of(model: Any) -> int:
    """Weights and what their quantization adds, as they lie in memory."""
    total = 0
    for parameter in model._model.parameters():
        total += parameter.numel() * parameter.element_size()
        if (state := getattr(parameter, "quant_state", None)) is not None:
            nested = [state.state2.absmax, state.state2.code] if state.nested else []
            tensors = [state.absmax, state.code, *nested]
            total += sum(t.numel() * t.element_size() for t in tensors)
        if (scales := getattr(parameter, "SCB", None)) is not None:
            total += scales.numel() * scales.element_size()
    return total


def _peak_bytes() -> int:
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return int(peak_mb() * 1e6)


def bench_mllm(
    shape: str,
    precisions: Sequence[Precision],
    side_px: int,
    rounds: int,
    folder: Path,
    out: Path,
    console: Console,
) -> dict[str, Any]:
    """Measure each precision in a process of its own; prints a table, writes ``mllm.json``.

    Args:
        shape: A short name of the catalogue, of the family Qwen2.5-VL; or ``tiny``.
        precisions: Which.
        side_px: Of the square image.
        rounds: Each in turn; the median counts.
        folder: Where the random weights lie; they are written there if nothing is.
        out: Where the figures go.
        console: Where the table goes.

    Raises:
        EchoError: If the shape is unknown.
    """
    results_folder = writable_folder(out)
    if not folder.exists():
        with console.status("Writing random weights"):
            words = [EVIDENCE, SYSTEM, *(q.text for q in QUESTIONS), "The part: Describe the part."]
            write_random_model(_config_of(shape), words, folder)
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"
    results: dict[str, Any] = {"shape": shape, "device": device, "side_px": side_px, "rows": []}
    table = Table(
        *("precision", "weights", "computed", "peak", "tokens", "read/s", "written/s"),
        *("ten : one", "together : one"),
        title=f"{shape}, random weights, {device}, an image of {side_px} × {side_px} px",
    )
    for precision in precisions:
        # A process of its own, whose peak is that of this precision.
        spawned = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        with console.status(f"Measuring {precision}"), spawned as pool:
            row = pool.submit(measure, str(folder), precision, side_px, rounds).result()
        results["rows"].append(row)
        table.add_row(*_cells(row))
        write_bytes(results_folder / "mllm.json", json.dumps(results, indent=1).encode())
    console.print(table)
    return results


def _cells(row: dict[str, Any]) -> list[str]:
    gigabytes = (row["weights_bytes"], sum(row["computed_bytes"].values()), row["peak_bytes"])
    return [
        row["precision"],
        *(f"{size / 1e9:.2f} GB" for size in gigabytes),
        str(row["prompt_tokens"]),
        f"{row['read_tokens_per_s']:.0f}",
        f"{row['written_tokens_per_s']:.1f}",
        f"{row['ten_over_one']:.2f}",
        f"{row['ten_together_over_one']:.2f}",
    ]


def _config_of(shape: str) -> dict[str, Any]:
    known = {e.short: e.config for e in catalogue() if e.config["model_type"] == "qwen2_5_vl"}
    known |= {TINY: TINY_CONFIG}
    if shape not in known:
        raise EchoError(f"{shape!r}: no such shape; known are {', '.join(sorted(known))}")
    return known[shape]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="What a local language model costs.")
    parser.add_argument("--shape", default="qwen2.5-vl-7b", help="or tiny, qwen2.5-vl-3b, …")
    parser.add_argument("--precision", action="append", choices=PRECISIONS, default=[])
    parser.add_argument("--side", type=int, default=1024, help="of the image, in px")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keeps the random weights (16.6 GB for 7B)")
    parser.add_argument("--out", type=Path, default=Path("bench-out/mllm"))
    given = parser.parse_args()
    if given.rounds < 1 or given.side < 28:
        parser.error("give at least one round, and a side of at least 28 px")
    precisions = given.precision or ["nf4", "bf16"]
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = given.folder or Path(temporary) / given.shape
            bench_mllm(
                given.shape, precisions, given.side, given.rounds, folder, given.out, Console()
            )
    except EchoError as error:
        raise SystemExit(f"mllm: {error}") from error


if __name__ == "__main__":
    main()
