"""A run that broke off goes on: what is stored already is left out, and only that."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from echo import HistoryError, Inspection, Inspector, ProductLine
from echo.history import History
from echo.inspector import LeftOut
from tests.conftest import bad_part, good_part, save
from tests.histories import no_database


def test_a_run_that_broke_off_goes_on(nut_line: ProductLine, tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{n}.png", good_part(100 + n)) for n in range(5)]
    paths.append(save(tmp_path / "bad.png", bad_part(1)))
    inspector = Inspector(nut_line)
    run = inspector.inspect_many(paths)
    broken_off = [next(run).image for _ in range(2)]
    # The same image comes twice, too.
    rest = [r.image for r in Inspector(nut_line).inspect_many([*paths, paths[4]], resume=True)]
    assert broken_off + rest == [str(path) for path in paths]
    assert list(inspector.inspect_many(paths, resume=True)) == []
    left_out = list(inspector.inspect_with_pictures([paths[5], tmp_path / "no.png"], resume=True))
    assert left_out[0] == LeftOut(str(paths[5]), "nut:6", "review")
    assert len(left_out) == 2
    assert len(History(nut_line)) == 6


def test_runs_that_resume_at_once_store_each_image_once(
    nut_line: ProductLine, tmp_path: Path
) -> None:
    paths = [save(tmp_path / f"{n}.png", good_part(100 + n)) for n in range(6)]
    start = Barrier(3)

    def resume() -> list[str]:
        inspector = Inspector(nut_line)
        start.wait()
        return [one.image for one in inspector.inspect_many(paths, resume=True)]

    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(resume) for _ in range(3)]
        inspected = [image for run in runs for image in run.result()]
    assert sorted(inspected) == [str(path) for path in paths]
    assert sorted(record.image for record in History(nut_line).records()) == sorted(inspected)


def test_an_image_that_another_run_stored_meanwhile_is_left_out(
    nut_line: ProductLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.png", bad_part(1))
    inspector = Inspector(nut_line)
    run_graph = inspector._run

    def slowly(*given: Any) -> Inspection:
        Inspector(nut_line).inspect(path)
        return run_graph(*given)

    monkeypatch.setattr(inspector, "_run", slowly)
    assert list(inspector.inspect_with_pictures([path], resume=True)) == [
        LeftOut(str(path), "nut:1", "review")
    ]
    assert len(History(nut_line)) == 1


def test_what_would_not_come_to_the_same_is_inspected(
    nut_line: ProductLine, tmp_path: Path
) -> None:
    path = save(tmp_path / "a.png", good_part(100))
    Inspector(nut_line).inspect(path)

    def resumed(nut_line: ProductLine, *images: Path) -> int:
        found = list(Inspector(nut_line).inspect_many(images, resume=True))
        assert all(isinstance(one, Inspection) for one in found)
        return len(found)

    assert resumed(nut_line, path) == 0
    assert resumed(nut_line, save(tmp_path / "other.png", good_part(100))) == 1, "another name"
    save(path, good_part(101))
    assert (resumed(nut_line, path), resumed(nut_line, path)) == (1, 0), "other pixels"
    rules = tmp_path / "nut.yaml"
    rules.write_text("product: nut\nnormal: Stripes.\nalpha: 0.3\n")
    parts = [good_part(i) for i in range(3)]
    other = ProductLine.enroll("nut", parts, rules, home=nut_line.home, progress=False)
    assert (resumed(other, path), resumed(other, path)) == (1, 0), "another line"
    for was, is_ in (("Stripes", "Upright stripes"), ("0.3", "0.4")):
        rules.write_text(rules.read_text().replace(was, is_))
        assert (resumed(other, path), resumed(other, path)) == (1, 0), "other rules"


def test_who_keeps_nothing_resumes_nothing(nut_line: ProductLine) -> None:
    with pytest.raises(HistoryError, match="line 'nut': this inspector keeps nothing, so it cann"):
        Inspector(nut_line, keep=False).inspect_many([], resume=True)


def test_a_history_that_cannot_be_read_leaves_nothing_out(nut_line: ProductLine) -> None:
    no_database(nut_line.home / "history" / "nut.sqlite")
    (found,) = Inspector(nut_line).inspect_many([good_part(100)], resume=True)
    assert isinstance(found, Inspection)
    assert "no history of inspections" in found.faults[0]
