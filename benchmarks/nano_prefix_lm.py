"""Whether the visual prefix tells the language model more than the page does.

Two models learn from the same simulated anomalies, one of the page alone, one of the page with the
prefix in front of it; both begin with the shipped adapters, the prefix as its heads pretrained it.
Each product with real defects is left out in turn, and both are asked about it: where a place lies,
how large it is, how bright, of what form and of what kind. The page says of these what code reads
off the decoder's region, so a gain is what the prefix knows beyond it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel

from benchmarks.nano_places import Kept
from benchmarks.nano_prefix import Line, arguments, lines_of, resampled, worded
from echo.progress import Progress
from echo.settings import home_folder
from echo.storage import writable_folder, write_bytes
from echo.training.packing import Branch, pack
from echo.training.prefix_training import Places, PrefixRecipe, pretrain
from experts.decoder.regions import PLACES
from experts.errors import BenchmarkError, EchoError
from experts.mllm.nano.base import unpacked
from experts.mllm.nano.loading import SHIPPED, base_model, quiet_peft
from experts.mllm.nano.prefix import VisualPrefix
from experts.mllm.nano.pretraining import ATTRIBUTES, FORMS, SIZES, TONES, UNKNOWN
from experts.mllm.nano.prompting import TextPrompter
from experts.mllm.nano.texts import on_sheet
from experts.simulating.kinds import KINDS

ASKED = (
    "Where does it lie?", "How large is it?", "How bright is it?", "What is its form?",
    "Of what kind is it?",
)  # fmt: skip
OPTIONS = (PLACES, SIZES, TONES, FORMS, KINDS)
# The prefix begins where its heads left it, and the adapters where Echo ships them.
RATE = 2e-4
MAX_NORM = 1.0
ARMS = {"page": False, "page and prefix": True}


@dataclass(frozen=True)
class Gain:
    """How often an attribute of a left-out product is told right, in shares.

    Attributes:
        product: Its name.
        places: ``simulated`` or ``real``.
        attribute: One of ``ATTRIBUTES``.
        count: Of places that have a label.
        code: By code, off the decoder's place.
        page: By the model that reads the page alone.
        both: By the one that has the prefix, too.
        low: Lower end of the 95 % interval of the difference.
        high: Its upper end.
    """

    product: str
    places: str
    attribute: str
    count: int
    code: float
    page: float
    both: float
    low: float
    high: float


class Reader:
    """A language model that reads pages, with or without a prefix in front of them.

    Args:
        base: Folder with the unpacked base weights.
        prefix: The prefix; ``None`` to read pages alone.
    """

    def __init__(self, base: Path, prefix: VisualPrefix | None) -> None:
        with quiet_peft():
            from peft import PeftModel

            model = base_model(base).cpu()
            adapted = PeftModel.from_pretrained(model, SHIPPED, is_trainable=True)
        self.model: PreTrainedModel = adapted
        self.prefix = prefix
        self._prompter = TextPrompter(AutoTokenizer.from_pretrained(base, local_files_only=True))

    def weights(self) -> list[torch.nn.Parameter]:
        """All that is trained."""
        own = [] if self.prefix is None else [*self.prefix.parameters()]
        return [*(w for w in self.model.parameters() if w.requires_grad), *own]

    def scores(self, kept: Kept, row: int, options: Sequence[Sequence[str]]) -> list[Tensor]:
        """Mean log-probability of each option of each question on a place.

        Args:
            kept: The places, with texts of their line.
            row: Which one.
            options: For each question those that are read.
        """
        branches, counts, page = [], [], page_of(kept, row)
        for question, texts in zip(ASKED, options, strict=True):
            asked = on_sheet(page, question)
            prompt = self._prompter.read(asked)
            read, begin = prompt.ids_T.tolist(), len(prompt.ids_T)
            answers = self._prompter.answer_ids(asked, prompt, texts)
            branches += [Branch((*read, *ids), begin) for ids in answers]
            counts.append(len(texts))
        with torch.autocast("cpu", torch.bfloat16):
            means = self._means(branches, kept, row)
        return [torch.stack(part) for part in _split(means, counts)]

    def _means(self, branches: Sequence[Branch], kept: Kept, row: int) -> list[Tensor]:
        """Mean log-probability of each branch's answer; the prefix stands before all tokens."""
        packed = pack(branches)
        inner = self.model.get_base_model()
        seen_TE = F.embedding(packed.ids_T, inner.get_input_embeddings().weight)
        sees_TT, positions_T, ahead = packed.sees_TT, packed.positions_T, 0
        if self.prefix is not None:
            prefix_KE = self.prefix(kept.inputs[torch.tensor([row])])[0].to(seen_TE.dtype)
            ahead = len(prefix_KE)
            seen_TE = torch.cat([prefix_KE, seen_TE])
            sees_TT = _behind(sees_TT, ahead)
            positions_T = torch.cat([torch.arange(ahead), positions_T + ahead])
        hidden_TE = inner.model(
            inputs_embeds=seen_TE[None],
            position_ids=positions_T[None],
            attention_mask=sees_TT[None, None],
            use_cache=False,
        ).last_hidden_state[0]
        means = []
        for at_T, answer_T in packed.foretells:
            logits_TV = self.model.lm_head(hidden_TE[at_T + ahead]).float()
            means.append(-F.cross_entropy(logits_TV, answer_T))
        return means


def page_of(kept: Kept, row: int) -> str:
    """What code says of a place."""
    place, size, tone, form, _ = kept.code_NA[row].tolist()
    measured = kept.measured_NM[row].tolist()
    return (
        f"region-1 lies at the {PLACES[place]}. It is {SIZES[size]}, {TONES[tone]} its "
        f"surroundings by {abs(measured[4]):.2f}, and {FORMS[form]}: its length is "
        f"{np.exp(measured[3]):.1f} times its width, and it takes "
        f"{100 * np.exp(measured[0]):.2f} % of the image."
    )


def _behind(sees_TT: Tensor, ahead: int) -> Tensor:
    """A mask with so many tokens in front that all others see."""
    count = ahead + len(sees_TT)
    wide_TT = torch.ones(count, count, dtype=torch.bool).tril()
    wide_TT[ahead:, ahead:] = sees_TT
    return wide_TT


def _split(means: Sequence[Tensor], counts: Sequence[int]) -> list[list[Tensor]]:
    ends = np.cumsum(counts).tolist()
    return [list(means[end - n : end]) for end, n in zip(ends, counts, strict=True)]


def learn(reader: Reader, lines: Sequence[Line], steps: int, seed: int, bars: Progress) -> None:
    """Learn to tell the attributes of simulated places of some lines.

    Args:
        reader: Who learns.
        lines: The lines.
        steps: Places that are read, each with all questions.
        seed: Of their order.
        bars: Show how far it is.
    """
    places = [with_texts(line.simulated, line) for line in lines]
    owners = [(kept, row) for kept in places for row in range(len(kept.truth_NA))]
    if reader.prefix is not None:
        reader.prefix.train()
    order = np.random.default_rng(seed).permutation(len(owners)).tolist()
    optimizer = torch.optim.AdamW(reader.weights(), lr=RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, RATE / 10)
    with bars.task("learning", steps) as advance:
        for step in range(steps):
            kept, row = owners[order[step % len(order)]]
            truth = kept.truth_NA[row].tolist()
            right = [[options[n]] for options, n in zip(OPTIONS, truth, strict=True)]
            loss = -torch.cat(reader.scores(kept, row, right)).mean()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(reader.weights(), MAX_NORM)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
            advance(1)


@torch.no_grad()
def told(reader: Reader, kept: Kept) -> Tensor:
    """The likeliest option of each question on each place, int64 (N, A)."""
    reader.model.eval()
    if reader.prefix is not None:
        reader.prefix.eval()
    rows = range(len(kept.truth_NA))
    found = [[int(s.argmax()) for s in reader.scores(kept, row, OPTIONS)] for row in rows]
    return torch.tensor(found)


def with_texts(kept: Kept, line: Line) -> Kept:
    """Places with the mean of their line's prompts."""
    return kept._replace(inputs=worded(kept, line))


def leave_out(lines: Sequence[Line], out: Line, given: argparse.Namespace) -> list[Gain]:
    """Both models learn from all lines but one, and are asked about that one."""
    known = [line for line in lines if line is not out]
    base, recipe = unpacked(home_folder()), PrefixRecipe(seed=given.seed)
    said: dict[str, dict[str, Tensor]] = {}
    asked = {"simulated": out.simulated} | ({"real": out.real} if out.real else {})
    for arm, has_prefix in ARMS.items():
        torch.manual_seed(given.seed)
        prefix = None
        if has_prefix:
            places = [Places(k.simulated.inputs, k.simulated.truth_NA, *k.prompts) for k in known]
            prefix, _ = pretrain(places, len(KINDS), recipe)
        reader = Reader(base, prefix)
        with Progress() as bars:
            learn(reader, known, given.steps, given.seed, bars)
        said[arm] = {
            name: told(reader, with_texts(_first(kept, given.asked), out))
            for name, kept in asked.items()
        }
    gains = []
    for name, kept in asked.items():
        gains += _gains(out.name, name, _first(kept, given.asked), *(said[a][name] for a in ARMS))
    return gains


def _first(kept: Kept, count: int) -> Kept:
    inputs = kept.inputs[torch.arange(min(count, len(kept.truth_NA)))]
    return Kept(inputs, *(part[:count] for part in kept[1:]))


def _gains(product: str, places: str, kept: Kept, page_NA: Tensor, both_NA: Tensor) -> list[Gain]:
    gains = []
    for column, attribute in enumerate(ATTRIBUTES):
        truth_N = kept.truth_NA[:, column]
        known_N = truth_N != UNKNOWN
        if not known_N.any():
            continue
        code_n, page_n, both_n = (
            (said_NA[:, column] == truth_N)[known_N].float()
            for said_NA in (kept.code_NA, page_NA, both_NA)
        )
        shares = float(code_n.mean()), float(page_n.mean()), float(both_n.mean())
        ends = resampled(both_n - page_n)
        gains.append(Gain(product, places, attribute, int(known_N.sum()), *shares, *ends))
    return gains


def table_of(gains: Sequence[Gain]) -> Table:
    """For people, in percent."""
    table = Table("left out", "places", "attribute", "n", "code", *ARMS, "gain")
    for g in gains:
        shares = (f"{100 * share:.0f}" for share in (g.code, g.page, g.both))
        ends = f"{100 * g.low:+.0f} … {100 * g.high:+.0f}"
        table.add_row(g.product, g.places, g.attribute, str(g.count), *shares, ends)
    return table


def main() -> None:
    """Run from the command line."""
    parser = arguments(__doc__)
    parser.add_argument("--steps", type=int, default=450, help="places that each model reads")
    parser.add_argument("--asked", type=int, default=150, help="places of each sort")
    parser.add_argument("--leave", nargs="*", help="products to leave out, else those with masks")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        lines, gains = lines_of(given), list[Gain]()
        leave = given.leave or [line.name for line in lines if line.real is not None]
        if unknown := sorted(set(leave) - {line.name for line in lines}):
            raise BenchmarkError(f"--leave {unknown[0]}: there is no such product")
        for out in lines:
            gains += leave_out(lines, out, given) if out.name in leave else []
        Console(width=120).print(table_of(gains))
        document = json.dumps([asdict(gain) for gain in gains], indent=1)
        write_bytes(writable_folder(given.out) / "gains.json", document.encode())
    except EchoError as error:
        raise SystemExit(f"nano_prefix_lm: {error}") from error


if __name__ == "__main__":
    main()
