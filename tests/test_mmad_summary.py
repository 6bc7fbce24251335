"""What is written of a run of MMAD, and the published figures beside it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console

from benchmarks.mmad.about import enrolled
from benchmarks.mmad.data import SUBTASKS
from benchmarks.mmad.journal import ANSWERS
from benchmarks.mmad.plots import bars, radar
from benchmarks.mmad.published import Published, published, sources
from benchmarks.mmad.scoring import MEANS, Scores, score
from benchmarks.mmad.summary import table, to_csv, to_json, write_summary
from experts.errors import OutputError
from tests.mmad_files import all_answered, small_run, write_benchmark

ALPHA = (700 / 12 + 300) / 7
OWN_COLOUR = (0x1B, 0x49, 0x65)
Draw = Callable[[Mapping[str, Scores], Sequence[Published]], bytes]


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Scores:
    return score(*small_run(tmp_path_factory.mktemp("small")))


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Scores:
    """The same benchmark, all answered right."""
    benchmark, _ = small_run(tmp_path_factory.mktemp("right"))
    letters = [benchmark.key.answers[question.id] for _, question in benchmark.questions]
    return score(benchmark, all_answered(benchmark, letters))


def rows(text: str) -> list[list[str]]:
    """The cells of all tables of a Markdown text."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def shown(scores_by_run: dict[str, Scores]) -> str:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table(scores_by_run))
    return console.export_text()


def pixels(png: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_the_json(scores: Scores) -> None:
    found = json.loads(to_json(scores))
    assert list(found["average"]) == [*SUBTASKS, "Average"]
    assert found["average"]["Average"] == pytest.approx((ALPHA + 75 + 100) / 3)
    assert list(found["datasets"]) == ["Alpha", "Beta", "Gamma"]
    assert found["datasets"]["Alpha"]["Object Analysis"] == 100
    assert found["datasets"]["Beta"]["Object Analysis"] is None
    assert found["finished"] is False
    assert found["notes"][0].startswith("not answered: 1 of 21")
    assert found["detection"]["datasets"]["Alpha"]["Overkill"] == 50
    assert found["detection"]["datasets"]["Beta"]["Overkill"] is None
    low, high = found["intervals"]["datasets"]["Alpha"]["Anomaly Detection"]
    assert low < 700 / 12 < high
    assert found["intervals"]["datasets"]["Beta"]["Overkill"] is None
    of_alpha = found["denominators"]["datasets"]["Alpha"]
    refused = {"asked": 5, "answered": 4, "counted_by_the_benchmark": 4}
    assert of_alpha["Anomaly Detection"] == refused
    assert of_alpha["all"] == {"asked": 15, "answered": 10, "counted_by_the_benchmark": 9}
    assert "Defect Analysis" not in found["denominators"]["datasets"]["Beta"]
    assert found["denominators"]["average"]["all"]["asked"] == 21
    assert found["counts"]["average"]["names no option"] == 2
    assert found["images"]["datasets"]["Beta"] == {"normal": 0, "defective": 2}


def test_the_csv_has_the_benchmarks_columns(scores: Scores) -> None:
    lines = list(csv.reader(io.StringIO(to_csv(scores))))
    assert ",".join(lines[0]) == (
        ",Anomaly Detection,Defect Classification,Defect Localization,Defect Description,"
        "Defect Analysis,Object Classification,Object Analysis,Average,Recall,Precision,F1,"
        "Overkill,Miss"
    )
    assert [line[0] for line in lines[1:]] == ["Alpha", "Beta", "Gamma", "Average"]
    assert lines[2][1:4] == ["50.0", "100.0", ""]
    assert float(lines[4][8]) == pytest.approx((ALPHA + 75 + 100) / 3)
    assert lines[2][10:13] == ["", "", ""]


def test_all_files_of_one_run(scores: Scores, tmp_path: Path) -> None:
    write_summary({"echo": scores}, tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "bars.png",
        "echo",
        "radar.png",
        "summary.csv",
        "summary.json",
        "summary.md",
    ]
    assert (tmp_path / "new" / "summary.json").read_text(encoding="utf-8") == to_json(scores)
    text = (tmp_path / "new" / "summary.md").read_text(encoding="utf-8")
    assert "- not answered: 1 of 21; the run is not finished" in text
    found = rows(text)
    assert found[3][:4] == ["Beta", "50.0 (0.0–100.0)", "100.0 (100.0–100.0)", "–"]
    assert ["Alpha", "5 / 4 / 4", "2 / 1 / 1", "2 / 1 / 1"] in [row[:4] for row in found]
    assert ["all", "13", "3", "2", "1", "1", "1"] in found
    assert ["GPT-4o", *["–"] * 7, "74.9", "paper"] in found
    assert ["GPT-4o", "67.5", "64.8"] in [row[:3] for row in found]


def test_several_runs_stand_side_by_side(scores: Scores, right: Scores, tmp_path: Path) -> None:
    write_summary({"echo": right, "without | decoder": scores}, tmp_path)
    text = (tmp_path / "comparison.md").read_text(encoding="utf-8")
    assert "| echo | 100.0 (100.0–100.0) |" in text
    assert r"| without \| decoder | 69.4 (" in text
    assert r"- without \| decoder: not answered: 1 of 21" in text
    # What is so of the benchmark is told once and not for each run.
    assert text.count("Beta: Anomaly Detection is asked of defective images only") == 1
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["average"]["Average"] == 100


def test_each_run_has_its_figures_in_its_own_folder(
    scores: Scores, right: Scores, tmp_path: Path
) -> None:
    write_summary({"echo": right, "plain": scores}, tmp_path)
    for name, average in (("echo", 100), ("plain", (ALPHA + 75 + 100) / 3)):
        found = json.loads((tmp_path / name / "summary.json").read_text(encoding="utf-8"))
        assert found["average"]["Average"] == pytest.approx(average)
        text = (tmp_path / name / "summary.md").read_text(encoding="utf-8")
        assert text.startswith(f"# MMAD: {name}\n")
    assert (tmp_path / "plain" / "summary.csv").read_text(encoding="utf-8") == to_csv(scores)


def test_tables_of_former_runs_do_not_stay_beside_new_ones(
    scores: Scores, right: Scores, tmp_path: Path
) -> None:
    for folder in (tmp_path / "no-decoder", tmp_path / "notes"):
        folder.mkdir()
    (tmp_path / "no-decoder" / ANSWERS).touch()
    (tmp_path / "notes" / "summary.md").write_text("of the user's own", encoding="utf-8")
    write_summary({"echo": scores, "no-decoder": scores}, tmp_path)
    assert (tmp_path / "comparison.md").exists()
    write_summary({"echo": right}, tmp_path)
    assert not (tmp_path / "comparison.md").exists()
    assert [path.name for path in (tmp_path / "no-decoder").iterdir()] == [ANSWERS]
    assert (tmp_path / "notes" / "summary.md").exists()


def test_what_was_run_is_told(scores: Scores, tmp_path: Path) -> None:
    about: dict[str, dict[str, Any]] = {
        "echo": {
            "mllm": ["tiny", "3f2a"],
            "experts": ["decoder", "reference"],
            "shots": 1,
            "templates": None,
            "normal_images": {"Alpha/nut": 20, "Beta/bolt": 1391},
        },
        "plain": {"mllm": ["tiny", "3f2a"], "normal_images": {}},
    }
    write_summary({"echo": scores, "plain": scores}, tmp_path, about)
    found = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert found["run"] == about["echo"]
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    for line in (
        "- language model: tiny, 3f2a",
        "- experts: decoder, reference",
        "- shots: 1",
        "- templates: none",
        "- normal images that lines were enrolled from: 20 to 1,391",
    ):
        assert line in text.splitlines()
    beside = "with one normal image beside each question."
    lines = "The run above: lines enrolled from 20 to 1,391 normal images each."
    assert f"{beside} {lines}\n" in text
    plain = (tmp_path / "plain" / "summary.md").read_text(encoding="utf-8")
    assert f"{beside}\n" in plain
    assert "- normal images that lines were enrolled from: none" in plain


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], ""),
        ([{}, {"a": 20}, {"a": 20, "b": 20}], "lines enrolled from 20 normal images each"),
        ([{"a": 1}], "lines enrolled from 1 normal image each"),
    ],
)
def test_how_many_normal_images_a_caption_tells(lines: list[dict[str, int]], told: str) -> None:
    assert enrolled([{"normal_images": line} for line in lines]) == told


@pytest.mark.parametrize("draw", [radar, bars])
def test_captions_tell_the_normal_images(
    draw: Callable[..., bytes], scores: Scores, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(Figure, "suptitle", lambda _, text, **__: told.append(text))
    draw({"echo": scores}, published(), [{"normal_images": {"Alpha/nut": 20}}])
    assert "Gamma; lines enrolled from 20 normal images each\n" in told[0]
    assert told[0].endswith("1 normal image beside each")


def test_the_terminals_table_of_one_run(scores: Scores) -> None:
    text = shown({"echo": scores})
    lines = [line.split() for line in text.splitlines()]
    assert ["Anomaly", "Detection", "58.3", "50.0", "100.0", "69.4"] in lines
    assert ["questions", "asked", "15", "4", "2", "21"] in lines
    assert ["counted", "by", "MMAD's", "script", "9", "4", "2", "15"] in lines
    assert "the run is not finished" in text
    assert "…" not in text


def test_the_terminals_table_of_seven_runs(scores: Scores) -> None:
    experts = ("reference", "decoder", "knowledge", "reasoning", "decision")
    text = shown({"echo": scores, "plain": scores} | {f"without {e}": scores for e in experts})
    lines = text.splitlines()
    for expert in experts:
        (place,) = (n for n, line in enumerate(lines) if line.split()[:1] == [expert])
        assert lines[place - 1].split()[:2] == ["without", "69.4"]
        assert lines[place].split()[-1] == "15"
    assert "…" not in text


def test_a_folder_that_cannot_be_written_is_told(scores: Scores, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="choose another folder"):
        write_summary({"echo": scores}, tmp_path / "file")
    with pytest.raises(ValueError, match="at least one run"):
        write_summary({}, tmp_path)


@pytest.mark.parametrize("draw", [radar, bars])
def test_plots_are_light_and_show_the_run(draw: Draw, scores: Scores, right: Scores) -> None:
    worse, better = (pixels(draw({"echo": run}, published())) for run in (scores, right))
    assert better.mean() > 200
    of_run = [int((image == OWN_COLOUR).all(axis=-1).sum()) for image in (worse, better)]
    assert 0 < of_run[0] < of_run[1]


@pytest.mark.parametrize("draw", [radar, bars])
def test_plots_of_a_benchmark_that_asks_one_subtask(draw: Draw, tmp_path: Path) -> None:
    benchmark = write_benchmark(tmp_path, {"Alpha/nut/test/good/0.png": [("Object Analysis", "A")]})
    runs = {"wrong": score(benchmark, all_answered(benchmark, "B")), "none": score(benchmark, {})}
    assert pixels(draw(runs, published())).mean() > 200
    assert pixels(draw(runs, ())).mean() > 200


def test_published_averages_are_the_means_of_their_subtasks() -> None:
    whole = [model for model in published() if len(model.figures) > 1]
    assert len(whole) == 20
    for model in whole:
        assert list(model.figures) == list(MEANS)
        mean = np.mean([model.figures[subtask] for subtask in SUBTASKS])
        # Rounded to two places, each by itself.
        assert model.average == pytest.approx(mean, abs=0.0101)


def test_published_figures_have_their_source() -> None:
    models = published()
    assert {model.source for model in models} == set(sources())
    assert len({(model.name, model.source) for model in models}) == len(models)
    overall = {(model.name, model.source): model.average for model in models}
    assert overall["Human expert", "paper"] == 86.65
    assert overall["AD-Copilot-Thinking 7B", "ad-copilot"] == 82.29
    assert overall["GPT-4o", "paper"] == 74.92
    assert overall["GPT-4o", "results"] == 74.31
    assert sum(model.outlined for model in models) == 4
