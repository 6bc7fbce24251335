from __future__ import annotations

import base64
import io
import os
import re
import shutil
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.elpv import solar_cells
from echo.cli import main
from echo.inspector import Inspector
from echo.line import ProductLine
from echo.report import ReportWriter
from experts.images import read_picture
from tests.conftest import bad_part, good_part, save

Inspect = Callable[..., tuple[int, str]]
KNOWLEDGE = Path(__file__).parent.parent / "knowledge" / "solar_cell.yaml"


@pytest.fixture
def inspect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], washer_home: Path
) -> Inspect:
    """Inspects parts of the line ``washer``; gives exit code and error stream."""
    monkeypatch.setenv("ECHO_IAD_HOME", str(washer_home))

    def command(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["echo-iad", "inspect", "washer", *map(str, arguments)])
        code = main()
        return code, capsys.readouterr().err

    return command


def pictures_of(out: Path) -> list[str]:
    """Names of a report's pictures, each of which opens and shows three panels."""
    names = sorted(p.name for p in out.iterdir() if p.name != "report.html")
    for name in names:
        with Image.open(out / name) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert picture.width > 2.5 * picture.height > 500
    return names


def articles_of(out: Path) -> list[str]:
    """The inspections on a report's page, which needs nothing but itself."""
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "://" not in page
    assert "url(" not in page
    for kind, target in re.findall(r"\b(src|href)\s*=\s*[\"']?([^\"'\s>]*)", page):
        assert kind == "src"
        head, _, data = target.partition(",")
        assert head == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert picture.width > 1000
    return re.findall(r"<article>.*?</article>", page, re.DOTALL)


def test_a_report_of_good_and_bad_parts(inspect: Inspect, tmp_path: Path) -> None:
    good = save(tmp_path / "good.png", good_part(500))
    bad = save(tmp_path / "bad.png", bad_part(500))
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    out = tmp_path / "new" / "out"
    code, err = inspect(good, bad, broken, "--out", out)
    assert code == 2
    assert f"Report: {out}/report.html\n" in err
    assert pictures_of(out) == ["bad.png", "good.png"]
    first, second = articles_of(out)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "1 accept" in page
    assert "0 review" in page
    assert "1 reject" in page
    assert f"<li>{broken}: not an image that can be read; " in page
    assert str(good) in first
    assert "Accepted: " in first
    assert str(bad) in second
    assert "Rejected: a dark spot of about" in second
    assert "<td>region-1</td><td>dark spot</td>" in second


def test_pictures_of_equal_names_are_all_kept(inspect: Inspect, tmp_path: Path) -> None:
    names = ["a/x.png", "b/x.png", "c/x-2.png", "a/x.bmp"]
    parts = [save(tmp_path / name, good_part(i)) for i, name in enumerate(names)]
    inspect(*parts, "--out", tmp_path / "out")
    assert len(pictures_of(tmp_path / "out")) == 4
    assert len(articles_of(tmp_path / "out")) == 4


def test_an_inspected_image_is_never_overwritten(inspect: Inspect, tmp_path: Path) -> None:
    part = save(tmp_path / "part.png", good_part(1))
    before = part.read_bytes()
    inspect(part, "--out", tmp_path)
    assert part.read_bytes() == before


def test_names_are_escaped(inspect: Inspect, tmp_path: Path) -> None:
    part = save(tmp_path / "<b>&\"'.png", good_part(1))
    missing = tmp_path / "<i>.png"
    inspect(part, missing, "--out", tmp_path / "out")
    (article,) = articles_of(tmp_path / "out")
    assert "&lt;b&gt;&amp;&#34;&#39;.png" in article
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "&lt;i&gt;.png: there is no such file" in page
    assert "<b>" not in article.partition("<details>")[0]
    assert "<i>" not in page


@pytest.mark.parametrize("name", ["[red]out", "[/red]out"])
def test_markup_in_the_folder_s_name(inspect: Inspect, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    code, err = inspect(save(tmp_path / "part.png", good_part(1)), "--out", out)
    assert (code, err) == (0, f"Report: {out}/report.html\n")


def test_an_out_that_cannot_be_written(inspect: Inspect, tmp_path: Path) -> None:
    part = save(tmp_path / "part.png", good_part(1))
    for out in (part, part / "below"):
        code, err = inspect(part, "--out", out)
        assert code == 2
        pattern = rf"echo-iad: {out}: cannot be written \(.+\); choose another folder\n"
        assert re.fullmatch(pattern, err)


def test_names_that_are_odd_or_long(inspect: Inspect, tmp_path: Path) -> None:
    stems = [os.fsdecode(b"gr\xfcn"), "x" * 251, "x" * 250, "検" * 83]
    parts = [save(tmp_path / f"{stem}.png", good_part(1)) for stem in stems]
    code, err = inspect(*parts, "--out", tmp_path / "out")
    assert (code, err) == (0, f"Report: {tmp_path}/out/report.html\n")
    assert len(pictures_of(tmp_path / "out")) == len(articles_of(tmp_path / "out")) == 4


def test_a_page_of_somebody_else_s_is_never_overwritten(inspect: Inspect, tmp_path: Path) -> None:
    part = save(tmp_path / "part.png", good_part(1))
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("<h1>mine</h1>")
    for _ in range(2):
        code, err = inspect(part, "--out", out)
        assert (code, err) == (0, f"Report: {out}/report-2.html\n")
        names = ["part.png", "report-2.html", "report.html"]
        assert sorted(path.name for path in out.iterdir()) == names
    assert (out / "report.html").read_text() == "<h1>mine</h1>"


def test_what_was_inspected_is_drawn_though_no_file_holds_it(
    washer_home: Path, tmp_path: Path
) -> None:
    line = ProductLine.load("washer", home=washer_home)
    inspection = Inspector(line).inspect(bad_part(1))
    writer = ReportWriter(tmp_path, "title", line)
    assert writer.add(inspection, read_picture(bad_part(1))) == tmp_path / "array.png"
    gone = weakref.ref(inspection)
    del inspection
    assert gone() is None, "a report does not keep inspections"
    assert writer.finish() == tmp_path / "report.html"
    assert len(articles_of(tmp_path)) == 1
    assert pictures_of(tmp_path) == ["array.png"]


def test_pictures_that_cannot_be_drawn_are_failures(
    inspect: Inspect, monkeypatch: pytest.MonkeyPatch, washer_home: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(washer_home, tmp_path / "home"))
    monkeypatch.setenv("ECHO_IAD_HOME", str(home))
    for thumbnail in (home / "lines" / "washer" / "thumbnails").iterdir():
        thumbnail.unlink()
    # Of another shape than what was enrolled, so that only the report needs the thumbnails.
    parts = [save(tmp_path / f"{i}.png", good_part(i)[:80]) for i in range(2)]
    code, err = inspect(*parts, "--out", tmp_path / "out")
    assert code == 2
    assert len(re.findall("^echo-iad: line 'washer' is damaged: ", err, re.MULTILINE)) == 2
    assert articles_of(tmp_path / "out") == []
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<li>line &#39;washer&#39; is damaged: ") == 2


def test_a_single_failure_still_gives_a_page(inspect: Inspect, tmp_path: Path) -> None:
    code, _ = inspect(tmp_path / "missing.png", "--out", tmp_path / "out")
    assert code == 2
    assert articles_of(tmp_path / "out") == []
    assert pictures_of(tmp_path / "out") == []


def test_solar_cells(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    split = solar_cells("mono", 20).split(seed=0)
    defective = [sample.path for sample in split.test if sample.defective][:4]
    home = ["--home", str(tmp_path)]
    enrolled = [str(path) for path in split.enrolled]
    command = ["echo-iad", "enroll", "cell", *enrolled, "--knowledge", str(KNOWLEDGE), *home]
    monkeypatch.setattr(sys, "argv", command)
    assert main() == 0
    assert capsys.readouterr().out.startswith(
        "Enrolled cell from 20 images: on average at most 5.0% of"
    )
    out = tmp_path / "out"
    command = ["echo-iad", "inspect", "cell", *map(str, defective), "--out", str(out), *home]
    monkeypatch.setattr(sys, "argv", command)
    assert main() == 1
    assert pictures_of(out) == sorted(path.with_suffix(".png").name for path in defective)
    articles = articles_of(out)
    assert len(articles) == 4
    rejected = [article for article in articles if "Rejected: " in article]
    assert rejected
    for article in rejected:
        assert re.search(r"clause `(crack|inactive)\.any` allows none[.;]", article)
        assert "clause:crack.any" in article
