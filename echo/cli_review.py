"""The commands ``echo-iad review ...``: thin, like those of ``echo.cli``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from echo.cli_common import STYLES, Home, Json, cell, complain, say, say_aside
from echo.cli_tables import EMPTY, REASON, Listing
from echo.settings import home_folder, lines_folder
from experts.clock import local_time
from experts.errors import EchoError, HistoryError

if TYPE_CHECKING:
    from echo.cases import Case
    from echo.review import Review
    from experts.evidence import Inspection, Opinion, Region

# Of many references the nearest say enough.
MAX_REFERENCES = 3

review = typer.Typer(
    no_args_is_help=True,
    help="Judge the parts that wait for a person, and see what people judged.",
    epilog="Example: echo-iad review list washer",
)

Id = Annotated[
    str,
    typer.Argument(metavar="ID", help="The inspection, LINE:NUMBER, as list and history show it."),
]


@review.command("list", epilog="Example: echo-iad review list washer --json")
def list_reviews(
    line: Annotated[
        str | None, typer.Argument(help="Name of the line; by default all of them.")
    ] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """List the inspections that wait for a person, oldest first."""
    waiting, failed = _waiting([line] if line is not None else _lines(home), home)
    waiting.sort(key=lambda review: review.record.time)
    if as_json:
        rows = [{"time": one.record.time.isoformat(), **one.shown} for one in waiting]
        typer.echo(json.dumps(rows, indent=1))
    elif waiting:
        _print_waiting(waiting)
    elif not failed:
        say(f"Nothing waits for a person{f' on line {line}' if line else ''}.")
    if failed:
        raise typer.Exit(2)


def _print_waiting(waiting: list[Review]) -> None:
    listing = Listing("id", "time", "image", REASON, "Echo saw", "the language model saw")
    for one in waiting:
        record = one.record
        name, reason = cell(Path(record.image).name), cell(record.reason)
        seen = [cell(side) for side in _sides(one)]
        listing.add(record.id, local_time(record.time), name, reason, *seen)
    listing.show()
    say(f"Next: echo-iad review show {waiting[0].record.id}")


def _lines(home: Path | None) -> list[str]:
    """The lines that something is stored of; what is stored of others is told, and left out."""
    from echo.record import is_line_name
    from echo.storage import folders

    enrolled = {line.name for line in folders(lines_folder(home))}
    stored = sorted((home_folder(home) / "history").glob("*.sqlite"))
    for path in stored:
        if path.stem not in enrolled and is_line_name(path.stem):
            _tell_of(path)
    return [path.stem for path in stored if path.stem in enrolled]


def _tell_of(path: Path) -> None:
    """Say what a file is that stands among the histories, and is of no line that there is."""
    from echo.history_file import line_in

    try:
        line = line_in(path)
    except HistoryError as error:
        say_aside(f"Left out: {error}")
        return
    if line == path.stem:
        say_aside(f"Line {line} is gone; what waits of it: echo-iad review list {line}")
    elif line is not None:
        say_aside(f"Left out: {path}: is of line {line}, but not called so, such as a copy of it")


def _waiting(lines: list[str], home: Path | None) -> tuple[list[Review], bool]:
    """What waits on the lines that can be read, and whether something could not; that is told."""
    from echo.review import Reviews

    waiting: list[Review] = []
    failed = False
    for line in lines:
        try:
            reviews = Reviews(line, home)
            waiting += reviews.waiting()
            fault: str | EchoError | None = reviews.fault
        except EchoError as error:
            fault = error
        if fault is not None:
            failed = True
            complain(fault)
    return waiting, failed


def _sides(one: Review) -> tuple[str, str]:
    """What the decoder saw, and what a language model saw, in a few words."""
    try:
        inspection = one.inspection()
    except HistoryError:
        return EMPTY, EMPTY
    places = len(inspection.regions)
    count = "1 place" if places == 1 else f"{places or 'no'} places"
    seen = f"p = {inspection.anomaly.p_value:.2g}, {count}"
    return seen, _opinion(inspection.opinion) if inspection.opinion else EMPTY


def _opinion(opinion: Opinion) -> str:
    share, name = max(zip(opinion.probabilities, opinion.candidates, strict=True))
    sure = f" {share:.0%}" if opinion.from_logits else ", without saying how sure it is"
    return f"{opinion.model}: {name}{sure}"


@review.command(epilog="Example: echo-iad review show washer:17 --out washer-17.png")
def show(
    id: Id,
    out: Annotated[
        Path | None, typer.Option(help="Draw the image and its places into this PNG.")
    ] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Show what a person needs to judge an inspection."""
    from echo.record import split_id
    from echo.review import Reviews

    one = Reviews(split_id(id)[0], home).show(id)
    if as_json:
        cases = [case.model_dump(mode="json") for case in one.cases]
        shown = {"time": one.record.time.isoformat(), **one.shown, "cases": cases}
        typer.echo(json.dumps(shown, indent=1))
    else:
        _print_review(one)
    if out is not None:
        say_aside(f"Picture: {_draw(one, out, home)}")


def _print_review(one: Review) -> None:
    record, inspection = one.record, one.inspection()
    say(f"{record.id}: {record.verdict}, {local_time(record.time)}, {record.image}")
    for sentence in _why(one, inspection):
        say(sentence)
    if inspection.regions:
        Console().print(_places(inspection.regions))
    for number, step in enumerate(inspection.steps, 1):
        # Of a language model the step names itself.
        say(f"{number}. {step.looked_at}: {step.found}")
    if inspection.opinion:
        say(f"The language model: {_opinion(inspection.opinion)}")
    if inspection.explanation:
        say(inspection.explanation.text)
    if inspection.references:
        nearest = [str(r.path) for r in inspection.references[:MAX_REFERENCES]]
        say(f"Most similar normal images: {', '.join(nearest)}")
    for case in one.cases:
        say(f"Judged: {_said(case)}")
    if one.waits:
        say(f"Next: echo-iad review resolve {record.id} accept|reject --by NAME --reason TEXT")


def _why(one: Review, inspection: Inspection) -> tuple[str, ...]:
    """The reason, and the clause that decided with its figures, as far as they are stored."""
    from experts.answers.known import Known
    from experts.answers.weighing import figures_lost, why

    told = why(Known(inspection, None, one.record.alpha), ()).sentences
    return (*told, *figures_lost(inspection))


def _places(regions: Sequence[Region]) -> Table:
    table = Table("place", "where", "looks", "box", "size", "peak")
    for region in regions:
        left, top, right, bottom = region.box_xyxy
        box = f"{left}, {top} – {right}, {bottom}"
        size = f"{region.length_px:.0f} × {region.width_px:.0f} px"
        if region.length_mm is not None and region.width_mm is not None:
            size += f", {region.length_mm:.2g} × {region.width_mm:.2g} mm"
        looks = region.traits.in_words if region.traits else region.looks
        cells = (region.id, region.place, cell(looks), box, size, f"{region.peak_score:.3g}")
        table.add_row(*cells)
    return table


def _said(case: Case) -> str:
    return f"{case.verdict} by {case.by}, {local_time(case.time)}: {case.reason}"


def _draw(one: Review, out: Path, home: Path | None) -> Path:
    """Draw the image as a report does, if it is still where it was."""
    from echo.report import draw_inspection, to_png
    from echo.storage import write_new
    from experts.errors import ImageError
    from experts.images import read_picture

    record = one.record
    try:
        picture = read_picture(record.image)
    except ImageError as error:
        raise ImageError(f"{record.id}: its image cannot be drawn ({error})") from error
    if picture.sha256 != record.image_sha256:
        raise ImageError(
            f"{record.id}: its image cannot be drawn, since {record.image} shows something else by "
            "now; bring back the image of then"
        )
    inspection = _with_map(one.inspection())
    sheet = draw_inspection(inspection, picture.rgb_HW3, _normal(inspection, home))
    write_new(out, to_png(sheet))
    return out


def _with_map(inspection: Inspection) -> Inspection:
    """With a map of the places at their peaks: that of then is not stored."""
    import numpy as np

    scores_HW = np.zeros(inspection.size_HW, np.float32)
    for region in inspection.regions:
        left, top, right, bottom = region.box_xyxy
        scores_HW[top:bottom, left:right][region.mask] = region.peak_score
    update = {
        "patch_scores_HW": scores_HW,
        "patch_stride_px": (1.0, 1.0),
        "patch_centre_px": (0.0, 0.0),
    }
    anomaly = inspection.anomaly.model_copy(update=update)
    return inspection.model_copy(update={"anomaly": anomaly})


def _normal(inspection: Inspection, home: Path | None) -> Any:
    """The most similar normal image, if the line still has it."""
    from echo.line import ProductLine
    from experts.errors import LineError

    if not inspection.references:
        return None
    try:
        line = ProductLine.load(inspection.versions.line, home=home)
        return line.thumbnail(inspection.references[0])
    except LineError:
        return None


@review.command(
    epilog="Example: echo-iad review resolve washer:17 accept --by 'Ann Lee' --reason 'only dust'"
)
def resolve(
    given: Annotated[
        list[str],
        typer.Argument(metavar="ID... accept|reject", help="The inspections, and the verdict."),
    ],
    by: Annotated[str, typer.Option(help="Who judges it: your name.", metavar="NAME")],
    reason: Annotated[str, typer.Option(help="Why, in your words.", metavar="TEXT")],
    again: Annotated[
        bool, typer.Option("--again", help="Judge what was judged before once more.")
    ] = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Accept or reject what waits; what Echo decided itself can be overruled or confirmed, too.

    Each becomes a case of the line: labelled data for calibration and audit, never training data.
    """
    from echo.record import split_id
    from echo.review import Reviews

    *ids, verdict = given
    if not ids or verdict not in {"accept", "reject"}:
        raise typer.BadParameter("Give one or more ids, and then accept or reject.")
    lines: dict[str, Reviews] = {}
    failed = False
    for identifier in ids:
        try:
            name, _ = split_id(identifier)
            reviews = lines.setdefault(name, lines.get(name) or Reviews(name, home))
            case = reviews.resolve(identifier, verdict, by=by, reason=reason, again=again)
        except EchoError as error:
            # The others are judged nevertheless.
            failed = True
            complain(error if identifier in str(error) else f"{identifier}: {error}")
            continue
        # The image says which part it was, should the number mean another one by now.
        typer.echo(json.dumps(case.model_dump(mode="json"))) if as_json else say(
            f"{case.inspection}, {Path(case.image).name}: {case.verdict} by {case.by}, case "
            f"{case.number} of its line."
        )
    if failed:
        raise typer.Exit(2)


@review.command(epilog="Example: echo-iad review cases washer --json")
def cases(
    line: Annotated[str, typer.Argument(help="Name of the line.")],
    as_json: Json = False,
    home: Home = None,
) -> None:
    """List what people judged of a line, and how often they agreed with Echo."""
    from echo.cases import newest
    from echo.review import Reviews

    judged = Reviews(line, home).cases()
    if as_json:
        typer.echo(json.dumps([case.model_dump(mode="json") for case in judged], indent=1))
        return
    if not judged:
        say(f"Nobody has judged an inspection of line {line} yet.")
        return
    listing = Listing("case", "id", "time", "image", "Echo said", "judged", "by", REASON)
    for case in judged:
        verdicts = _styled(case.verdict_then), _styled(case.verdict)
        name = cell(Path(case.image).name)
        head = str(case.number), case.inspection, local_time(case.time), name
        listing.add(*head, *verdicts, cell(case.by), cell(case.reason))
    listing.show()
    say(agreement(newest(judged)))


def agreement(judged: list[Case]) -> str:
    """How often people agreed, in sentences.

    Args:
        judged: The newest case of each inspection.
    """
    decided = [case for case in judged if case.agrees is not None]
    left = [case.verdict for case in judged if case.agrees is None]
    told = []
    if decided:
        agreed = sum(bool(case.agrees) for case in decided)
        told.append(f"Verdicts that people judged: {len(decided)}; they agreed with {agreed}.")
    if left:
        good = left.count("accept")
        told.append(f"Reviews: {len(left)}; accepted {good}, rejected {len(left) - good}.")
    return " ".join(told)


def _styled(verdict: str) -> str:
    return f"[{STYLES[verdict]}]{verdict}[/]"
