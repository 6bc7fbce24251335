"""Which line an image is of: the rule beside its definition, and lines of drawn parts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.products import Product, Sample
from benchmarks.which import Row, bench_which, score
from echo import Failure, LineFinder, LineGuess, ProductLine, which_line
from experts.decoder.encoder import load_encoder
from experts.errors import ImageError, LineError
from experts.evidence import Reference
from experts.images import Picture
from experts.lines import SAMPLE, LineSpread, guess_line, similarities_left_out
from tests.boards import board
from tests.clip_models import VIT, write_model
from tests.conftest import Command, bad_part, good_part, save
from tests.pins import pin

FloatArray = NDArray[np.float32]
# More than are learned in turned views, which takes long.
ENROLLED = 18


def unit(count: int, seed: int, size: int = 8) -> FloatArray:
    rows_NE = np.random.default_rng(seed).normal(0, 1, (count, size))
    return np.asarray(rows_NE / np.linalg.norm(rows_NE, axis=1, keepdims=True), np.float32)


def near(similarity: float) -> Reference:
    path = Path("good.png")
    return Reference(id="reference-1", path=path, thumbnail=path, similarity=similarity, rank=1)


def spread(
    name: str, similarities: Sequence[float], encoder: str = "net", alpha: float = 0.25
) -> LineSpread:
    return LineSpread(name, encoder, alpha, np.array(similarities, np.float32))


@pytest.mark.parametrize("seed", range(20))
def test_the_p_value_is_that_of_full_conformal_prediction(seed: int) -> None:
    enrolled_NE, image_E = unit(7, seed), unit(1, 100 + seed)[0]
    alike_MM = (all_ME := np.vstack([enrolled_NE, image_E])) @ all_ME.T
    np.fill_diagonal(alike_MM, -np.inf)
    nearest_M = alike_MM.max(axis=1)
    line = LineSpread("ring", "net", 0.2, similarities_left_out(enrolled_NE))
    match = line.match(near(float((enrolled_NE @ image_E).max())))
    assert match.p_value == pytest.approx(np.mean(nearest_M <= nearest_M[-1] + 1e-6))
    assert match.fits == (match.p_value > 0.2 + 1e-9)


def test_a_line_refuses_as_many_good_images_as_it_may() -> None:
    """Nine images promise a tenth at best, whatever alpha says."""
    refused = []
    for seed in range(1000):
        all_ME = unit(10, seed)
        line = LineSpread("ring", "net", 0.001, similarities_left_out(all_ME[1:]))
        refused.append(not line.match(near(float((all_ME[1:] @ all_ME[0]).max()))).fits)
    # A tenth, within three standard errors and what ties of mutual neighbours take off.
    assert 0.06 < np.mean(refused) < 0.13


def test_a_single_image_refuses_nothing() -> None:
    line = LineSpread("ring", "net", 0.05, similarities_left_out(unit(1, 0)))
    match = line.match(near(-1.0))
    assert (match.p_value, match.fits) == (1, True)


def test_two_images_refuse_what_is_less_similar_than_they_are() -> None:
    line = spread("ring", [0.9, 0.9], alpha=0.05)
    assert [line.match(near(s)).fits for s in (0.95, 0.9, 0.89)] == [True, True, False]


def test_a_sample_stands_for_many_images() -> None:
    embeddings_NE = unit(SAMPLE + 50, 0)
    alike_NN = embeddings_NE @ embeddings_NE.T
    np.fill_diagonal(alike_NN, -np.inf)
    sample_n = similarities_left_out(embeddings_NE)
    assert sample_n.shape == (SAMPLE,)
    distances_nN = np.abs(sample_n[:, None] - alike_NN.max(axis=1))
    assert distances_nN.min(axis=1).max() < 1e-6
    assert np.sort(distances_nN.argmin(axis=1)).tolist() != list(range(SAMPLE)), "drawn"


def test_the_nearest_line_comes_first_however_motley_another_is() -> None:
    """A defect that takes an image far out of a uniform line does not make it of a motley one."""
    uniform = spread("uniform", [0.99, 0.991, 0.992, 0.993])
    motley = spread("motley", [0.5, 0.6, 0.7, 0.8])
    guess = guess_line("a.png", [(motley, near(0.7)), (uniform, near(0.9))])
    assert [match.line for match in guess.matches] == ["uniform", "motley"]
    assert [(match.p_value, match.fits) for match in guess.matches] == [(0.2, False), (0.8, True)]
    assert guess.best is None
    assert guess.reason == (
        "nearest to uniform, but less similar to its normal images than these usually are to each "
        "other: defective, unusual, or of motley, which it fits"
    )


def test_several_lines_may_fit() -> None:
    lines = [spread("b", [0.8, 0.8, 0.8]), spread("a", [0.9, 0.9, 0.9])]
    guess = guess_line("a.png", [(lines[0], near(0.91)), (lines[1], near(0.92))])
    assert guess.best == "a"
    assert guess.reason == "fits a, whose normal images it is most similar to; it fits b, too"
    refused = guess_line("a.png", [(line, near(0.1)) for line in lines])
    assert refused.best is None
    assert refused.reason.endswith("or of a product that is not enrolled")


def test_lines_of_different_encoders_are_ranked_by_what_is_near_to_each() -> None:
    """To one encoder all images are much alike, to the other none are."""
    narrow = spread("narrow", [0.999, 0.999, 0.999], "narrow")
    wide = spread("wide", [0.6, 0.6, 0.6], "wide")
    single = spread("single", [], "other")
    asked = [(narrow, near(0.99)), (wide, near(0.62)), (single, near(0.3))]
    guess = guess_line("a.png", asked)
    assert [match.line for match in guess.matches] == ["wide", "single", "narrow"]
    assert guess.best == "wide"


@pytest.fixture(scope="module")
def home(washer_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Striped washers, boards of ever other layouts, and pins that lie free."""
    home = Path(shutil.copytree(washer_home, tmp_path_factory.mktemp("which") / "home"))
    boards = [board(seed, side=96) for seed in range(ENROLLED)]
    ProductLine.enroll("board", boards, home=home, progress=False)
    pins = [pin(20 * i, (i, -i), i).rgb_HW3 for i in range(ENROLLED)]
    line = ProductLine.enroll("pin", pins, home=home, progress=False)
    assert line.look.framing is not None
    return home


@pytest.fixture(scope="module")
def finder(home: Path) -> LineFinder:
    return LineFinder.open(home)


def foreign() -> NDArray[np.uint8]:
    """Noise in all colours, unlike anything."""
    return np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)


def test_each_part_is_of_its_line_and_noise_of_none(finder: LineFinder) -> None:
    parts = [good_part(500), board(500, side=96), pin(130, (7, -5), seed=50).rgb_HW3, foreign()]
    *known, noise = [finder.which(part) for part in parts]
    assert [guess.best for guess in known] == ["washer", "board", "pin"]
    assert noise.best is None
    assert {match.line for match in noise.matches} == {"board", "pin", "washer"}
    assert not any(match.fits for match in noise.matches)


def test_a_defective_part_is_nearest_to_its_line(finder: LineFinder) -> None:
    guess = finder.which(bad_part(500))
    (line,) = [match for match in guess.matches if match.line == "washer"]
    assert guess.matches[0] == line
    assert line.similarity < finder.which(good_part(500)).matches[0].similarity


def test_an_enrolled_image_is_its_own_reference(
    home: Path, finder: LineFinder, good_folder: Path
) -> None:
    path = good_folder / "good-07.png"
    guess = which_line(path, home)
    assert guess == finder.which(path)
    assert guess.matches[0].reference.path.name == "good-07.png"
    assert guess.matches[0].similarity == pytest.approx(1, abs=1e-5)
    assert guess.matches[0].p_value == 1


def test_the_encoder_runs_once_for_lines_that_look_alike(
    finder: LineFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_encoder()
    encode = model.encode
    sizes: list[list[tuple[int, int]]] = []

    def counted(pictures: Sequence[Picture]) -> Any:
        sizes.append([picture.size_HW for picture in pictures])
        return encode(pictures)

    monkeypatch.setattr(model, "encode", counted)
    guesses = list(finder.which_many([good_part(i) for i in range(3)]))
    assert len(guesses) == 3
    # Once as they are for washers and boards, once in the frame of pins.
    assert len(sizes) == 2
    assert [(96, 96)] * 3 in sizes


def test_an_image_that_cannot_be_read_fails_alone(finder: LineFinder, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    first, failure, last = finder.which_many([good_part(1), broken, good_part(2)])
    assert isinstance(failure, Failure)
    assert failure.image == str(broken)
    assert isinstance(first, LineGuess)
    assert isinstance(last, LineGuess)
    with pytest.raises(ImageError, match=r"broken\.png: not an image"):
        finder.which(broken)


def test_lines_that_cannot_be_asked_are_left_out_and_named(home: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(home, tmp_path / "home"))
    (copy / "lines" / "board" / "embeddings.faiss").write_bytes(b"cut off")
    (copy / "lines" / "pin" / "manifest.json").write_bytes(b"{}")
    clip = f"open_clip:{write_model(tmp_path / 'vit', VIT)}"
    ProductLine.enroll("words", None, encoder=clip, home=copy, progress=False)
    guess = which_line(good_part(1), copy)
    assert guess.best == "washer"
    assert [match.line for match in guess.matches] == ["washer"]
    damaged, other_format, blind = guess.left_out
    assert damaged.startswith("line 'board' is damaged: ")
    assert other_format.startswith("line 'pin' has format version None")
    assert blind.startswith("line 'words' was enrolled without images")
    shutil.rmtree(copy / "lines" / "washer")
    with pytest.raises(LineError, match=r"\Ano line can be compared with: line 'board' is damaged"):
        LineFinder.open(copy)
    with pytest.raises(LineError, match=r"\Ano line is enrolled; begin with: echo-iad enroll "):
        LineFinder.open(tmp_path)


def test_lines_of_two_encoders(good_folder: Path, washer_home: Path, tmp_path: Path) -> None:
    """To a network with random weights all is much alike, and yet its line is not the nearest."""
    home = Path(shutil.copytree(washer_home, tmp_path / "home"))
    clip = f"open_clip:{write_model(tmp_path / 'vit', VIT)}"
    boards = [board(seed, side=96) for seed in range(ENROLLED)]
    ProductLine.enroll("board", boards, encoder=clip, home=home, progress=False)
    finder = LineFinder.open(home)
    washer, of_board = finder.which(good_part(500)), finder.which(board(500, side=96))
    assert [washer.best, of_board.best] == ["washer", "board"]


def test_the_command(run: Command, home: Path, tmp_path: Path) -> None:
    good, bad = save(tmp_path / "[good].png", good_part(500)), tmp_path / "bad.png"
    fits = run("which", good, "--home", home)
    assert (fits.code, fits.err) == (0, "")
    assert "│ [good].png │ washer │" in fits.out
    assert "│ fits washer, whose normal images it is most similar to │" in fits.out
    save(bad, foreign())
    refused = run("which", good, bad, "--home", home, "--json")
    assert (refused.code, refused.err) == (1, "")
    first, second = map(LineGuess.model_validate_json, refused.out.splitlines())
    assert (first.best, second.best) == ("washer", None)
    assert json.loads(refused.out.splitlines()[0])["image"] == str(good)
    assert "│ bad.png    │ none   │" in run("which", good, bad, "--home", home).out
    assert "Example: echo-iad which belt/*.png" in run("which", "--help").out


def test_the_command_on_what_it_cannot_use(run: Command, home: Path, tmp_path: Path) -> None:
    good, missing = save(tmp_path / "good.png", good_part(500)), tmp_path / "missing.png"
    sentence = "echo-iad: no line is enrolled; begin with: echo-iad enroll NAME FOLDER"
    empty = run("which", good)
    assert (empty.code, empty.out) == (2, "")
    assert empty.err.startswith(sentence)
    assert empty.err.count("\n") == 1
    result = run("which", missing, good, "--home", home)
    expected = f"echo-iad: {missing}: there is no such file; check the path\n"
    assert (result.code, result.err) == (2, expected)
    assert "│ good.png │ washer │" in result.out
    pattern = run("which", tmp_path / "*.tif", "--home", home)
    assert (pattern.code, pattern.out) == (2, "")


def test_the_command_says_which_lines_it_left_out(
    run: Command, washer_home: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(washer_home, tmp_path / "home"))
    (home / "lines" / "ring").mkdir()
    result = run("which", save(tmp_path / "good.png", good_part(500)), "--home", home)
    assert result.code == 0
    assert result.err.startswith("Left out: line 'ring' is damaged: ")
    assert result.err.count("\n") == 1


def test_answers_are_held_against_the_truth() -> None:
    a, b = spread("a", [0.9, 0.9, 0.9]), spread("b", [0.5, 0.5, 0.5])
    seen = [(0.95, 0.1), (0.4, 0.3), (0.6, 0.7), (0.95, 0.6)]
    guesses = [guess_line("x", [(a, near(s)), (b, near(t))]) for s, t in seen]
    assert [guess.best for guess in guesses] == ["a", None, "b", "a"]
    expected = Row(images=4, nearest=0.75, none=0.25, other=0.25, stranger=0.5)
    assert score(guesses, "a") == expected


def small_board(seed: int) -> NDArray[np.uint8]:
    return board(seed, side=96)


def test_the_benchmark(tmp_path: Path) -> None:
    products = []
    for name, draw in (("x/ring", good_part), ("board", small_board)):
        folder = tmp_path / name
        paths = [save(folder / f"{i:02d}.png", draw(i)) for i in range(ENROLLED + 3)]
        bad = Sample(save(folder / "bad.png", foreign()), defective=True)
        products.append(Product(name, tuple(paths[:-2]), tuple(paths[-2:]), (bad,)))
    console = Console(quiet=True)
    rows = bench_which(products, ENROLLED, tmp_path / "home", tmp_path / "out", console)
    line = ProductLine.load("x-ring", home=tmp_path / "home")
    assert len(line.manifest.images) == ENROLLED
    assert rows["x-ring"]["good"].images == rows["board"]["good"].images == 2
    assert rows["x-ring"]["good"].nearest == rows["board"]["good"].nearest == 1
    assert rows["x-ring"]["defective"].none == 1
    document = json.loads((tmp_path / "out" / "which.json").read_text())
    assert document["lines"]["board"]["good"] == rows["board"]["good"]._asdict()
