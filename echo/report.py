"""Pictures and one self-contained page for people who would rather look."""

from __future__ import annotations

import base64
import io
import itertools
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from jinja2 import Environment
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from echo.storage import write_bytes
from experts.errors import DamagedLineError
from experts.evidence import AnomalyMap, Inspection
from experts.images import read_picture

# Marks the pictures, so that a report never overwrites what it did not write.
SOFTWARE = "echo-iad"
PANEL_PX = 360
CAPTION_PX = 26
GAP_PX = 8
VERDICT_COLOURS = {"accept": "#1a7f37", "review": "#b35900", "reject": "#c62828"}
_BOX = (255, 255, 255)


def draw_inspection(inspection: Inspection, image: NDArray[np.uint8]) -> Image.Image:
    """Input, heatmap with region boxes, and the most similar normal image, side by side.

    Args:
        inspection: What was found.
        image: The upright image, uint8 (H, W, 3).
    """
    reference = inspection.references[0]
    normal = _open_thumbnail(reference.thumbnail, inspection.versions.line)
    panels = [
        (f"input: {inspection.verdict}", _fit(Image.fromarray(image))),
        (f"anomaly map, p = {inspection.anomaly.p_value:.2g}", _overlay(inspection, image)),
        (f"most similar normal ({reference.similarity:.2f})", _fit(normal)),
    ]
    width = len(panels) * (PANEL_PX + GAP_PX) + GAP_PX
    height = max(panel.height for _, panel in panels) + CAPTION_PX + GAP_PX
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for column, (caption, panel) in enumerate(panels):
        left = GAP_PX + column * (PANEL_PX + GAP_PX)
        colour = VERDICT_COLOURS[inspection.verdict] if column == 0 else "#333333"
        draw.text((left, 5), caption, fill=colour, font=font)
        sheet.paste(panel, (left + (PANEL_PX - panel.width) // 2, CAPTION_PX))
    return sheet


def _open_thumbnail(path: Path, line: str) -> Image.Image:
    try:
        with Image.open(path) as thumbnail:
            return thumbnail.convert("RGB")
    except OSError as error:
        why = error.strerror or "not a readable picture"
        raise DamagedLineError(
            f"line {line!r} is damaged: {path}: {why}; enrol the line again"
        ) from error


def _fit(image: Image.Image) -> Image.Image:
    scale = PANEL_PX / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _overlay(inspection: Inspection, image: NDArray[np.uint8]) -> Image.Image:
    panel = _fit(Image.fromarray(_heat(inspection.anomaly, image)))
    draw = ImageDraw.Draw(panel)
    font = ImageFont.load_default(13)
    scale = panel.width / image.shape[1]
    for region in inspection.regions:
        left, top, right, bottom = (round(v * scale) for v in region.box_xyxy)
        draw.rectangle((left, top, right - 1, bottom - 1), outline=_BOX, width=2)
        number = region.id.removeprefix("region-")
        draw.text((left + 5, top + 3), number, _BOX, font=font, stroke_width=2, stroke_fill="black")
    return panel


def _heat(anomaly: AnomalyMap, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Nothing below the extent limit, yellow at the limit, red at twice the limit and beyond."""
    span = max(anomaly.limit - anomaly.extent_limit, 1e-6)
    level_HW = (anomaly.scores_HW - anomaly.extent_limit) / span
    strength = np.clip(level_HW, 0, 1)[..., None] * 0.6
    redness = np.clip((anomaly.scores_HW / anomaly.limit - 1), 0, 1)[..., None]
    colour = np.concatenate(
        [np.full_like(redness, 255), 220 * (1 - redness), 30 * np.ones_like(redness)], axis=2
    )
    grey = image.mean(axis=2, keepdims=True)
    blended: NDArray[np.uint8] = (grey * (1 - strength) + colour * strength).astype(np.uint8)
    return blended


def _is_ours(path: Path) -> bool:
    """Whether a picture may go there: nothing is there yet, or a picture of an earlier report."""
    if not path.exists():
        return True
    try:
        with Image.open(path) as image:
            return image.info.get("Software") == SOFTWARE
    except OSError:
        return False


class ReportWriter:
    """Writes one PNG per inspection as it comes, and the page at the end.

    Args:
        folder: An existing, writable folder.
        title: Heading of the page.
    """

    def __init__(self, folder: Path, title: str) -> None:
        self._folder = folder
        self._title = title
        self._rows: list[tuple[Inspection, str]] = []
        self._names: set[str] = set()

    def add(self, inspection: Inspection) -> Path:
        """Draw one inspection; returns the picture's path.

        Raises:
            ImageError: If the inspected file is gone.
            OutputError: If the picture cannot be written.
        """
        sheet = draw_inspection(inspection, read_picture(inspection.image).rgb_HW3)
        buffer = io.BytesIO()
        mark = PngInfo()
        mark.add_text("Software", SOFTWARE)
        sheet.save(buffer, "PNG", pnginfo=mark)
        path = self._folder / self._free_name(inspection)
        write_bytes(path, buffer.getvalue())
        small = io.BytesIO()
        sheet.save(small, "JPEG", quality=85)
        self._rows.append((inspection, base64.b64encode(small.getvalue()).decode("ascii")))
        return path

    def _free_name(self, inspection: Inspection) -> str:
        """A name that no other picture of this report has, and no file that Echo did not write."""
        stem = Path(inspection.image).stem or "image"
        numbered = (f"{stem}-{count}.png" for count in itertools.count(2))
        for name in itertools.chain([f"{stem}.png"], numbered):
            if name not in self._names and _is_ours(self._folder / name):
                self._names.add(name)
                return name
        raise AssertionError("numbers do not end")

    def finish(self, failures: Sequence[str] = ()) -> Path:
        """Write ``report.html``, which needs no other file; returns its path."""
        source = files("echo").joinpath("report.html.j2").read_text(encoding="utf-8")
        template = Environment(autoescape=True).from_string(source)
        counts = Counter(inspection.verdict for inspection, _ in self._rows)
        page = template.render(
            title=self._title,
            counts=[(v, counts[v]) for v in ("accept", "review", "reject")],
            colours=VERDICT_COLOURS,
            rows=self._rows,
            failures=failures,
        )
        path = self._folder / "report.html"
        write_bytes(path, page.encode("utf-8"))
        return path
