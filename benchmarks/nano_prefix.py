"""What the visual prefix tells of a product that it never saw, beside what code reads off the map.

Each product is left out in turn: the prefix is pretrained on simulated anomalies of the others, and
its heads are asked about simulated ones of this product and about its real defects. Beside them
stand the commonest class of the test; what code reads off the decoder's map and region (a place is
that of the region, and once that of the map's peak); and a linear model on the region's measures,
learnt from the same places as the prefix.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from safetensors import safe_open
from torch import Tensor
from transformers import AutoTokenizer

from benchmarks.nano_places import Kept, Looking, Subject, majority, subjects
from echo.progress import Progress
from echo.settings import home_folder
from echo.storage import writable_folder, write_bytes
from echo.training.prefix_training import Places, PrefixRecipe, classify, pretrain
from experts.errors import EchoError
from experts.knowledge import load_knowledge
from experts.mllm.nano.base import unpacked
from experts.mllm.nano.glimpse import Wording, said
from experts.mllm.nano.prefix import PrefixInputs, VisualPrefix
from experts.mllm.nano.pretraining import ATTRIBUTES, UNKNOWN, Heads
from experts.simulating.kinds import KINDS

# The intervals hold so many resampled differences, less 2.5 % at each end.
DRAWS = 2000


@dataclass(frozen=True)
class Line:
    """A product, and its places.

    Attributes:
        name: Of the product.
        simulated: Anomalies drawn on its images.
        real: Its own defects, if they have masks.
        prompts: Embeddings of its normal and of its abnormal prompts, (P, E) and (Q, E).
    """

    name: str
    simulated: Kept
    real: Kept | None
    prompts: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Score:
    """How often an attribute of a left-out product is told right, in shares.

    Attributes:
        product: Its name.
        places: ``simulated`` or ``real``; or of these alone those that the line ``found``, on which
            evidence text has something to tell.
        attribute: One of ``ATTRIBUTES``.
        count: Of places that have a label.
        majority: By the commonest class of the test.
        code: By code, from the region; ``None`` where code tells nothing.
        peak: Of a place: by where the map is highest.
        fitted: By the linear model on what code measures; not of a place.
        prefix: By the prefix, over all seeds.
        learnt: The same of the places that it was trained on.
        low: Lower end of the 95 % interval of what the prefix has above the best of the others.
        high: Its upper end.
    """

    product: str
    places: str
    attribute: str
    count: int
    majority: float
    code: float | None
    peak: float | None
    fitted: float | None
    prefix: float
    learnt: float
    low: float
    high: float


def gather(subject: Subject, wording: Wording, counts: tuple[int, int], folder: Path) -> Line:
    """Look at the places of a product, or read what was seen before.

    Args:
        subject: The product.
        wording: Embeds its prompts.
        counts: How many simulated and how many real places.
        folder: Where what was seen is kept.
    """
    file = load_knowledge(
        Path(str(resources.files("knowledge") / f"{subject.knowledge}.yaml"))
    ).file
    normal_PE, abnormal_QE = (wording.embed(texts) for texts in said(file.product, file))
    has_real = any(sample.masks for sample in subject.product.defective)
    with Looking(subject, folder, seed=0) as looking, Progress() as bars:
        with bars.task(f"Simulating {subject.name}", counts[0]) as advance:
            simulated = looking.places("simulated", counts[0], advance)
        real = None
        if has_real and counts[1]:
            with bars.task(f"Defects of {subject.name}", counts[1]) as advance:
                real = looking.places("real", counts[1], advance)
    return Line(subject.name, simulated, real, (normal_PE, abnormal_QE))


def leave_out(lines: Sequence[Line], out: Line, recipe: PrefixRecipe, seeds: int) -> list[Score]:
    """Train on all lines but one, and ask about that one."""
    known = [line for line in lines if line is not out]
    places = [Places(k.simulated.inputs, k.simulated.truth_NA, *k.prompts) for k in known]
    models = [
        pretrain(places, len(KINDS), replace(recipe, seed=recipe.seed + s)) for s in range(seeds)
    ]
    learnt_A = _learnt(known, models)
    scores = []
    for name, kept in (("simulated", out.simulated), ("real", out.real)):
        if kept is None:
            continue
        told_RNA = torch.stack([classify(*model, worded(kept, out)) for model in models])
        fitted = _fitted(known, kept)
        subsets = {name: torch.ones_like(kept.flagged_N), f"{name}, found": kept.flagged_N}
        for subset, rows_N in subsets.items():
            scores += _scores(out.name, subset, kept, told_RNA, fitted, rows_N, learnt_A)
    return scores


def worded(kept: Kept, line: Line) -> PrefixInputs:
    """Places with the mean of their line's prompts."""
    texts_2E = torch.stack([prompts.mean(dim=0) for prompts in line.prompts])
    return replace(kept.inputs, texts_N2E=texts_2E.expand(len(kept.truth_NA), -1, -1))


def _learnt(known: Sequence[Line], models: Sequence[tuple[VisualPrefix, Heads]]) -> Tensor:
    """How often each attribute of the places of training is told right, (A,)."""
    truth_NA = torch.cat([line.simulated.truth_NA for line in known])
    inputs = PrefixInputs.stack([worded(line.simulated, line) for line in known])
    told_RNA = torch.stack([classify(*model, inputs) for model in models])
    return (told_RNA == truth_NA).float().mean(dim=(0, 1))


def _fitted(known: Sequence[Line], kept: Kept) -> dict[str, Tensor]:
    """What linear models on the region's measures tell, for all attributes but the place."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    measured_NM = torch.cat([line.simulated.measured_NM for line in known]).numpy()
    truth_NA = torch.cat([line.simulated.truth_NA for line in known]).numpy()
    found = {}
    for column, attribute in enumerate(ATTRIBUTES):
        if attribute != "place":
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            model.fit(measured_NM, truth_NA[:, column])
            found[attribute] = torch.from_numpy(model.predict(kept.measured_NM.numpy()))
    return found


def _scores(
    product: str,
    places: str,
    kept: Kept,
    told_RNA: Tensor,
    fitted: dict[str, Tensor],
    rows_N: Tensor,
    learnt_A: Tensor,
) -> list[Score]:
    scores = []
    for column, attribute in enumerate(ATTRIBUTES):
        truth_N = kept.truth_NA[:, column]
        known_N = (truth_N != UNKNOWN) & rows_N
        if not known_N.any():
            continue
        right_n = (told_RNA[:, :, column] == truth_N)[:, known_N].float().mean(dim=0)
        others = {"majority": torch.full_like(truth_N, majority(truth_N[known_N]))}
        if attribute != "kind":
            others["code"] = kept.code_NA[:, column]
        others |= {"peak": kept.peak_N} if attribute == "place" else {"fitted": fitted[attribute]}
        hits = {name: (said_N == truth_N)[known_N].float() for name, said_N in others.items()}
        best_n = max(hits.values(), key=lambda hit_n: float(hit_n.mean()))
        low, high = resampled(right_n - best_n)
        shares = {name: float(hit_n.mean()) for name, hit_n in hits.items()}
        scores.append(
            Score(
                product,
                places,
                attribute,
                count=int(known_N.sum()),
                majority=shares["majority"],
                code=shares.get("code"),
                peak=shares.get("peak"),
                fitted=shares.get("fitted"),
                prefix=float(right_n.mean()),
                learnt=float(learnt_A[column]),
                low=low,
                high=high,
            )
        )
    return scores


def resampled(difference_N: Tensor) -> tuple[float, float]:
    """95 % of the means of resampled places."""
    rng = np.random.default_rng(0)
    chosen = rng.integers(len(difference_N), size=(DRAWS, len(difference_N)))
    low, high = np.quantile(difference_N.numpy()[chosen].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def load_wording(home: Path) -> Wording:
    """Embeds texts as the embedded language model does.

    Raises:
        MLLMUnavailableError: If its base weights are missing or damaged.
    """
    folder = unpacked(home)
    with safe_open(folder / "model.safetensors", "pt") as weights:
        words_VE = weights.get_tensor("model.embed_tokens.weight")
    return Wording(AutoTokenizer.from_pretrained(folder, local_files_only=True), words_VE)


def table_of(scores: Sequence[Score]) -> Table:
    """The scores for people, in percent."""
    table = Table(
        *("left out", "places", "attribute", "n", "majority", "code", "fitted", "prefix"),
        *("gain", "learnt"),
    )
    for score in scores:
        code = _percent(score.code)
        table.add_row(
            score.product,
            score.places,
            score.attribute,
            str(score.count),
            _percent(score.majority),
            f"{code} (peak {_percent(score.peak)})" if score.peak is not None else code,
            _percent(score.fitted),
            _percent(score.prefix),
            f"{100 * score.low:+.0f} … {100 * score.high:+.0f}",
            _percent(score.learnt),
        )
    return table


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}"


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """Options that name the places; see ``lines_of``."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the tree with MagneticTile/tile and DeepPCB/pcb")
    parser.add_argument("--features", type=Path, default=Path("bench-out/nano-prefix/features"))
    parser.add_argument("--simulated", type=int, default=300, help="places of each product")
    parser.add_argument("--real", type=int, default=200, help="defects of each product with masks")
    parser.add_argument("--enrolled", type=int, default=100, help="good cells and textiles")
    parser.add_argument("--out", type=Path, default=Path("bench-out/nano-prefix"))
    return parser


def lines_of(given: argparse.Namespace) -> list[Line]:
    """The places that options name.

    Raises:
        EchoError: If images or weights are missing.
    """
    wording, counts = load_wording(home_folder()), (given.simulated, given.real)
    every = subjects(given.data, given.enrolled)
    return [gather(subject, wording, counts, given.features) for subject in every]


def main() -> None:
    """Run from the command line."""
    parser = arguments(__doc__)
    parser.add_argument("--epochs", type=int, default=PrefixRecipe.epochs)
    parser.add_argument("--seeds", type=int, default=2, help="trainings for each left-out product")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    try:
        lines, recipe, scores = lines_of(given), PrefixRecipe(epochs=given.epochs), list[Score]()
        for out in lines:
            scores += leave_out(lines, out, recipe, given.seeds)
        Console(width=120).print(table_of(scores))
        document = json.dumps([asdict(score) for score in scores], indent=1)
        write_bytes(writable_folder(given.out) / "scores.json", document.encode())
    except EchoError as error:
        raise SystemExit(f"nano_prefix: {error}") from error


if __name__ == "__main__":
    main()
