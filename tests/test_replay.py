"""New rules tried on stored inspections, beside inspecting the same images anew by them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from echo import Failure, Inspection, Inspector, ProductLine
from echo.cli_replay import sentences
from echo.replay import Change, Replay, Unclear, replay
from experts.knowledge import load_knowledge
from tests.boards import board, marked, picture
from tests.conftest import SIDE_PX, Command, good_part, save
from tests.ruled_lines import ruled

Spot = tuple[int, int, int, int]

HEAD = """\
product: washer
part: washer
parts: washers
normal: Upright stripes.
"""
PIT = """
defects:
  - name: pit
    appearance: A small dark hole.
    effect: Corrodes.
    severity: minor
    clauses:
"""
COUNT = "      - {id: pit.count, quantity: count, at_most: %d}\n"
LENGTH = "      - {id: pit.length, quantity: length, at_most: %g, unit: %s}\n"
ANY = HEAD + PIT + COUNT % 20
IN_RIM = "      - {id: pit.rim, zone: rim, quantity: count, at_most: 20}\n"
ZONE = """
zones:
  - {name: rim, box: [0, 0, %g, 1]}
"""
VIEWS = """
views:
  - {name: top, match: '*_top.*', mm_per_px: 0.1}
  - {name: side, %smm_per_px: %g}
"""


def part(seed: int, *spots: Spot) -> NDArray[np.uint8]:
    """A good part with round spots: x, y, radius, grey level."""
    pixels = good_part(seed)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    for left, top, radius, grey in spots:
        pixels[(y - top) ** 2 + (x - left) ** 2 <= radius**2] = grey
    return pixels


# The third is among the twelfth of normal parts that score highest.
PARTS = {
    "good_top.png": part(500),
    "plain.png": part(501),
    "tail_top.png": part(529),
    "small_top.png": part(502, (30, 30, 2, 60)),
    "middle_top.png": part(503, (60, 40, 6, 15)),
    "large.png": part(504, (60, 60, 12, 15)),
    "edge_top.png": part(505, (5, 48, 5, 15)),
    "two.png": part(506, (20, 20, 6, 15), (75, 70, 6, 15)),
    "three_top.png": part(507, (20, 20, 5, 15), (75, 20, 5, 15), (48, 75, 5, 250)),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("parts")
    return [save(folder / name, pixels) for name, pixels in PARTS.items()]


def try_out(line: ProductLine, rules: str) -> Replay:
    """What these rules would change."""
    path = line.folder.parent.parent / "new.yaml"
    path.write_text(rules)
    return replay(line, load_knowledge(path))


def really(line: ProductLine, rules: str, files: list[Path]) -> list[Inspection | Failure]:
    """The same images, inspected by these rules one after another."""
    inspector = Inspector(ruled(line, rules), keep=False)
    return [result for path in files for result in inspector.inspect_many([path])]


def told(change: Change) -> tuple[str, ...]:
    return (
        change.image,
        change.before,
        change.after,
        str(change.clause_before),
        str(change.clause_after),
        change.reason,
    )


def check_against_reality(line: ProductLine, rules: str, files: list[Path]) -> Replay:
    """Inspect by the rules in force, try the others, then inspect by those.

    Whatever the replay tells must have come true, but for what it says that it cannot tell.
    """
    old = list(Inspector(line).inspect_many(files))
    found = try_out(line, rules)
    new = really(line, rules, files)
    unclear = {u.image for u in found.unclear}
    assert unclear >= {result.image for result in new if isinstance(result, Failure)}
    changes = []
    for before, after in zip(old, new, strict=True):
        if before.image in unclear:
            continue
        assert isinstance(before, Inspection)
        assert isinstance(after, Inspection)
        if before.verdict != after.verdict:
            clauses = str(before.decision.deciding_clause), str(after.decision.deciding_clause)
            verdicts = before.verdict, after.verdict
            changes.append((before.image, *verdicts, *clauses, after.decision.reason))
    assert [told(change) for change in found.changes] == changes[::-1]
    assert (found.total, found.skipped) == (len(files), 0)
    assert found.unchanged == len(files) - len(changes) - len(unclear)
    return found


def verdicts_of(found: Replay) -> dict[str, tuple[str, str]]:
    return {Path(c.image).name.split(".")[0]: (c.before, c.after) for c in found.changes}


ALL_BAD = ["three_top", "two", "edge_top", "large", "middle_top", "small_top"]
AR, RA = ("accept", "reject"), ("reject", "accept")


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (ANY, HEAD + PIT + LENGTH % (20, "px"), dict.fromkeys(ALL_BAD[:-1], AR)),
        (HEAD + PIT + LENGTH % (20, "px"), ANY, dict.fromkeys(ALL_BAD[:-1], RA)),
        (ANY, HEAD + PIT + COUNT % 2, {"three_top": AR, "two": AR}),
        # 2 mm are 20 px at this scale, and none at the other.
        (
            HEAD + "mm_per_px: 0.01\n" + PIT + LENGTH % (2, "mm"),
            HEAD + "mm_per_px: 0.1\n" + PIT + LENGTH % (2, "mm"),
            dict.fromkeys(ALL_BAD[:-1], AR),
        ),
        (
            ANY,
            HEAD + "mm_per_px: 1\n" + PIT + LENGTH % (33.9, "mm"),
            {"three_top": AR, "large": AR},
        ),
        (
            HEAD + ZONE % 0.2 + PIT + IN_RIM,
            HEAD + ZONE % 0.9 + PIT + IN_RIM,
            {"large": RA, "middle_top": RA, "small_top": RA},
        ),
        (
            ANY,
            ANY + "clauses:\n"
            "  - {id: edge, quantity: distance_to_edge, at_least: 1, unit: px, then: review}\n",
            dict.fromkeys(["three_top", "two", "edge_top"], ("accept", "review")),
        ),
        (
            HEAD + PIT + COUNT % 0,
            HEAD + "clauses:\n  - {id: strong, quantity: score, at_most: 4}\n",
            {"three_top": RA, "small_top": RA},
        ),
        (ANY, HEAD + "clauses: []\n", dict.fromkeys(ALL_BAD, AR)),
    ],
    ids=["tighter", "looser", "count", "scale", "scale-new", "zone", "edge", "score", "none"],
)
def test_a_replay_tells_what_would_come(
    washer_line: ProductLine,
    files: list[Path],
    before: str,
    after: str,
    changes: dict[str, tuple[str, str]],
) -> None:
    found = check_against_reality(ruled(washer_line, before), after, files)
    assert verdicts_of(found) == changes
    assert found.unclear == ()


def test_a_line_gets_its_first_rules(washer_line: ProductLine, files: list[Path]) -> None:
    found = check_against_reality(washer_line, ANY, files)
    assert verdicts_of(found) == dict.fromkeys(ALL_BAD, RA)
    assert {change.clause_before for change in found.changes} == {None}


@pytest.mark.parametrize(("allowed", "mended"), [(0, "tail_top"), (1, "middle_top")])
def test_a_stricter_promise_is_computed(
    washer_line: ProductLine, files: list[Path], allowed: int, mended: str
) -> None:
    """One part is clearly normal then, and of another only one of two places stands out."""
    lax = ruled(washer_line, HEAD + "alpha: 0.08\n" + PIT + COUNT % allowed)
    strict = HEAD + "alpha: 0.05\n" + PIT + COUNT % allowed
    found = check_against_reality(lax, strict, files)
    assert verdicts_of(found) == {mended: RA}
    assert found.unclear == ()


def test_a_laxer_promise_needs_a_new_look(washer_line: ProductLine, files: list[Path]) -> None:
    strict = ruled(washer_line, HEAD + "alpha: 0.05\n" + PIT + LENGTH % (20, "px"))
    lax = HEAD + "alpha: 0.08\n" + PIT + LENGTH % (30, "px")
    found = check_against_reality(strict, lax, files)
    # What is rejected stays rejected, whatever else stands out.
    names = ["edge_top", "middle_top", "small_top", "tail_top"]
    assert [Path(u.image).stem for u in found.unclear] == names
    assert {u.why for u in found.unclear} == {
        "with an alpha of 8.0% other places may stand out than were measured with 5.0%; inspect "
        "it again"
    }
    assert found.changes == ()


def test_where_alpha_decides_what_differs_from_a_twin(
    washer_line: ProductLine, files: list[Path]
) -> None:
    """24 images to compare with can calibrate twins for 20 %, but not for 5 %."""
    found = check_against_reality(ruled(washer_line, ANY), HEAD + "alpha: 0.2\n", files[:2])
    assert [u.why for u in found.unclear] == [
        "with an alpha of 20.0% other differences from a twin may count than did with 5.0%; "
        "inspect it again"
    ] * 2


def test_views_are_told_by_the_new_rules(washer_line: ProductLine, files: list[Path]) -> None:
    rules = HEAD + PIT + LENGTH % (2.5, "mm") + VIEWS
    found = check_against_reality(ruled(washer_line, ANY), rules % ("", 0.2), files)
    assert found.unclear == ()
    untold = {
        change.image for change in found.changes if "nothing tells which view" in change.reason
    }
    assert {Path(image).stem for image in untold} <= {"two", "large", "plain"}
    assert len(untold) >= 2
    told = {n: v for n, v in verdicts_of(found).items() if n not in {"two", "large", "plain"}}
    assert told == dict.fromkeys(["three_top", "edge_top", "middle_top"], AR)


def test_a_view_that_was_said_by_hand_stays(
    washer_line: ProductLine, files: list[Path], tmp_path: Path
) -> None:
    rules = HEAD + PIT + LENGTH % (2.5, "mm") + VIEWS
    inspector = Inspector(ruled(washer_line, rules % ("match: '*.png', ", 0.01)))
    large = next(path for path in files if path.stem == "large")
    middle = next(path for path in files if path.stem == "middle_top")
    assert inspector.inspect(large).sight.view == "side"
    # Said by hand, against what its name tells.
    assert inspector.inspect(middle, view="side").verdict == "accept"
    found = try_out(inspector.line, rules % ("match: '*_side.*', ", 0.2))
    # Of the other one nothing tells the view any more.
    assert verdicts_of(found) == {"large": ("accept", "review"), "middle_top": AR}
    assert (found.total, found.unclear) == (2, ())
    # What was said by hand counts more than the name: seen from the top, it would be rejected.
    kept = try_out(inspector.line, rules % ("match: '*.png', ", 0.05))
    assert "middle_top" not in verdicts_of(kept)


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> ProductLine:
    """A line of 20 boards, too few to calibrate twins."""
    images = [picture(board(number)).rgb_HW3 for number in range(20)]
    home = tmp_path_factory.mktemp("board-home")
    return ProductLine.enroll("board", images, home=home, progress=False)


def test_what_differs_from_its_twin(boards: ProductLine, tmp_path: Path) -> None:
    seen = [board(3), marked(7)[0], board(700)]
    files = [save(tmp_path / f"{n}.png", picture(b).rgb_HW3) for n, b in enumerate(seen)]
    found = check_against_reality(ruled(boards, ANY), HEAD + PIT + COUNT % 0, files)
    assert ("1", ("accept", "review")) in verdicts_of(found).items()
    assert found.unclear == ()
    # The limit of the map moves with alpha, and so does what the difference adds to the map.
    (unclear,) = try_out(boards, ANY + "alpha: 0.1\n").unclear
    assert Path(unclear.image).stem == "1"
    assert unclear.why.startswith("with an alpha of 10.0% other differences from a twin may count")


def test_kinds_that_were_taught_later_make_a_new_line(
    washer_line: ProductLine, files: list[Path]
) -> None:
    dent = "  - {name: dent, appearance: Large., severity: major, clauses: [%s]}\n"
    allowed = dent % "{id: dent.count, quantity: count, at_most: 20}"
    before = ruled(washer_line, ANY + allowed)
    list(Inspector(before).inspect_many(files))
    dents = [part(610 + n, (30 + 10 * n, 40, 12, 15)) for n in range(3)]
    pits = [part(600 + n, (30 + 10 * n, 50, 6, 15)) for n in range(3)]
    taught = before.teach("dent", dents, progress=False).teach("pit", pits, progress=False)
    found = try_out(taught, HEAD)
    assert (found.total, found.skipped, found.unchanged) == (len(files), len(files), 0)
    # Of what is a dent, the clauses of pits do not count.
    found = check_against_reality(taught, HEAD + PIT + COUNT % 0 + allowed, files)
    assert verdicts_of(found) == {name: AR for name in ALL_BAD if name != "large"}


def test_equal_images_count_once(
    washer_line: ProductLine, files: list[Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.png"
    shutil.copy(next(path for path in files if path.stem == "large"), copy)
    inspector = Inspector(ruled(washer_line, ANY))
    for path in (*files, *files, copy):
        inspector.inspect(path)
    found = try_out(inspector.line, HEAD + PIT + COUNT % 0)
    assert found.total == len(files)
    names = ["copy", "three_top", "two", "edge_top", "middle_top", "small_top"]
    assert [Path(change.image).stem for change in found.changes] == names
    times = [change.time for change in found.changes]
    assert times == sorted(times, reverse=True)


def test_a_history_of_another_format_is_unclear(
    washer_line: ProductLine, files: list[Path]
) -> None:
    inspector = Inspector(washer_line)
    inspector.inspect(files[0])
    history = inspector._history
    assert history is not None
    with history._current() as database:
        database.execute("UPDATE inspections SET inspection = '{}'")
    (unclear,) = try_out(washer_line, ANY).unclear
    assert unclear.image == str(files[0])
    assert unclear.why == "its stored inspection cannot be read by this Echo; inspect it again"


def test_the_command_prints_what_would_change(
    run: Command, washer_line: ProductLine, tmp_path: Path
) -> None:
    ruled(washer_line, ANY)
    new = tmp_path / "new.yaml"
    new.write_text(ANY)
    nothing = run("knowledge", "diff", "washer", new)
    assert (nothing.code, nothing.err) == (0, "")
    assert nothing.out == (
        "No inspection of this line is stored, so there is nothing to try the rules on.\n"
    )
    bad = save(tmp_path / "[bold]bad.png", PARTS["large.png"])
    Inspector(washer_line).inspect(bad)
    Inspector(washer_line).inspect(save(tmp_path / "good.png", PARTS["plain.png"]))
    same = run("knowledge", "diff", "washer", new)
    assert (same.code, same.out) == (0, "0 of 2 stored inspections would change.\n")
    new.write_text(HEAD + PIT + COUNT % 0)
    changed = run("knowledge", "diff", "washer", new)
    assert (changed.code, changed.err) == (1, "")
    row = (
        r"│ \[bold\]bad\.png │ \d{4}-\d\d-\d\d \d\d:\d\d │ accept │ reject │ Rejected: a dark spot"
    )
    assert re.search(row, changed.out)
    assert changed.out.endswith("1 of 2 stored inspections would change: 1 accept -> reject.\n")
    as_json = run("knowledge", "diff", "washer", new, "--json")
    assert as_json.code == 1
    found = Replay.model_validate_json(as_json.out)
    assert [change.clause_after for change in found.changes] == ["pit.count"]
    assert json.loads(as_json.out)["unchanged"] == 1
    (washer_line.folder.parent.parent / "history" / "washer.sqlite").write_bytes(
        b"no database" * 100
    )
    broken = run("knowledge", "diff", "washer", new)
    assert (broken.code, broken.out) == (2, "")
    assert re.fullmatch(r"echo-iad: .+washer\.sqlite: is damaged, or no .+ anew\n", broken.err)


def test_a_replay_in_words(washer_line: ProductLine, files: list[Path]) -> None:
    inspection = Inspector(washer_line).inspect(files[5])
    found = try_out(washer_line, ANY)
    (change,) = found.changes
    assert change.reason != inspection.decision.reason
    to_review = change.model_copy(update={"after": "review"})
    lost = [Unclear(image=f"at/{n}.png", time=change.time, why="it is lost") for n in range(5)]
    other = lost[0].model_copy(update={"why": "nothing tells"})
    update = {"total": 12, "changes": (change, to_review, change), "skipped": 1}
    assert sentences(found.model_copy(update={**update, "unclear": (*lost, other)})) == [
        "3 of 12 stored inspections would change: 2 reject -> accept, 1 reject -> review.",
        "Of 0.png, 1.png, 2.png and 2 more it cannot be told: it is lost.",
        "Of 0.png it cannot be told: nothing tells.",
        "1 of them was made before the line was enrolled anew, extended or taught, and left out.",
    ]
