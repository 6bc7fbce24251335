"""Pictures and one self-contained page for people who would rather look."""

from __future__ import annotations

import base64
import io
import itertools
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import IO

import numpy as np
from jinja2 import Environment, Template
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from echo.line import ProductLine
from echo.storage import write_bytes, write_chunks
from experts.dialogue import Answer
from experts.drawing import heat
from experts.errors import OutputError
from experts.evidence import Explanation, Inspection
from experts.images import Picture, read_picture

# Marks pictures and pages, so that a report never overwrites what it did not write.
SOFTWARE = "echo-iad"
GENERATOR = f'<meta name="generator" content="{SOFTWARE}">'
# The mark stands at the top of a page; no need to read all of what somebody else wrote.
HEAD_BYTES = 1024
# In bytes of UTF-8: leaves room for a number and the suffix in the 255 that a name may have.
STEM_BYTES = 200
CHUNK_CHARACTERS = 1 << 16
PANEL_PX = 360
CAPTION_PX = 26
GAP_PX = 8
VERDICT_COLOURS = {"accept": "#1a7f37", "review": "#b35900", "reject": "#c62828"}
_BOX = (255, 255, 255)


def draw_inspection(
    inspection: Inspection, image: NDArray[np.uint8], normal: Image.Image | None
) -> Image.Image:
    """Input, heatmap with region boxes, and the most similar normal image, side by side.

    Args:
        inspection: What was found.
        image: The upright image, uint8 (H, W, 3).
        normal: The most similar normal image, RGB; ``None`` for a line without images.
    """
    panels = [
        (f"input: {inspection.verdict}", fit_panel(Image.fromarray(image))),
        (f"anomaly map, p = {inspection.anomaly.p_value:.2g}", _overlay(inspection, image)),
    ]
    if normal is not None:
        similarity = inspection.references[0].similarity
        panels.append((f"most similar normal ({similarity:.2f})", fit_panel(normal)))
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


def fit_panel(image: Image.Image) -> Image.Image:
    """Scaled so that its longer side is ``PANEL_PX``."""
    scale = PANEL_PX / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _overlay(inspection: Inspection, image: NDArray[np.uint8]) -> Image.Image:
    panel = fit_panel(Image.fromarray(heat(inspection.anomaly, image)))
    draw = ImageDraw.Draw(panel)
    font = ImageFont.load_default(13)
    scale = panel.width / image.shape[1]
    for region in inspection.regions:
        left, top, right, bottom = (round(v * scale) for v in region.box_xyxy)
        draw.rectangle((left, top, right - 1, bottom - 1), outline=_BOX, width=2)
        number = region.id.removeprefix("region-")
        draw.text((left + 5, top + 3), number, _BOX, font=font, stroke_width=2, stroke_fill="black")
    return panel


def is_our_picture(path: Path) -> bool:
    """Whether a file is a picture that Echo drew."""
    try:
        with Image.open(path) as image:
            return image.info.get("Software") == SOFTWARE
    except Exception:  # of whatever type: then it is no picture of ours
        return False


def _is_our_page(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return GENERATOR.encode() in stream.read(HEAD_BYTES)
    except OSError:
        return False


def _template(name: str) -> Template:
    source = files("echo").joinpath(name).read_text(encoding="utf-8")
    environment = Environment(autoescape=True)
    environment.filters["faithfulness"] = lambda told: _faithfulness(_outcomes(told))
    return environment.from_string(source)


def _outcomes(explanation: Explanation) -> Counter[str]:
    """How many of a model's sentences came out right, corrected, dropped, or claim nothing."""
    return Counter(sentence.outcome for sentence in explanation.sentences)


def _faithfulness(outcomes: Counter[str]) -> str:
    """How many of the sentences that claim something were right as they came."""
    if not (claiming := outcomes["right"] + outcomes["corrected"] + outcomes["dropped"]):
        return "no sentence claims what could be checked"
    return (
        f"faithfulness {outcomes['right'] / claiming:.0%}: {outcomes['right']} of {claiming} "
        f"claiming sentences were right as they came, {outcomes['corrected']} corrected, "
        f"{outcomes['dropped']} left out"
    )


class ReportWriter:
    """Writes one PNG per inspection as it comes, and the page at the end.

    What the page will show waits in a scratch file, so that memory does not grow with the report.

    Args:
        folder: An existing, writable folder.
        title: Heading of the page.
        line: The line that the inspections are of.
    """

    def __init__(self, folder: Path, title: str, line: ProductLine) -> None:
        self._folder = folder
        self._title = title
        self._line = line
        self._article = _template("report_article.html.j2")
        self._articles: IO[str] | None = None
        self._counts: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._names: set[str] = set()

    def add(
        self,
        inspection: Inspection,
        picture: Picture | None = None,
        answers: Sequence[Answer] = (),
    ) -> Path:
        """Draw one inspection; returns the picture's path.

        Args:
            inspection: What was found.
            picture: What was inspected; by default the inspected file is read again.
            answers: What was asked about it, and answered.

        Raises:
            ImageError: If no picture is given and the inspected file cannot be read again.
            LineError: If the line's copy of the most similar normal image is not as enrolled.
            OutputError: If the picture cannot be written.
        """
        picture = picture or read_picture(inspection.image)
        references = inspection.references
        normal = self._line.thumbnail(references[0]) if references else None
        sheet = draw_inspection(inspection, picture.rgb_HW3, normal)
        path = self._free_path(_stem(inspection), ".png", is_our_picture)
        write_bytes(path, to_png(sheet))
        self._keep(
            self._article.render(
                inspection=inspection,
                colours=VERDICT_COLOURS,
                picture=_thumbnail(sheet),
                answers=answers,
            )
        )
        self._counts[inspection.verdict] += 1
        if inspection.explanation:
            self._outcomes += _outcomes(inspection.explanation)
        return path

    def _keep(self, article: str) -> None:
        try:
            if self._articles is None:
                self._articles = tempfile.TemporaryFile(  # noqa: SIM115 - closed by finish
                    "w+", encoding="utf-8", dir=self._folder
                )
            self._articles.write(article + "\n")
        except OSError as error:
            raise OutputError(f"{self._folder}: cannot be written ({error.strerror})") from error

    def _free_path(self, stem: str, suffix: str, is_ours: Callable[[Path], bool]) -> Path:
        """A name that nothing else of this report has, and no file that Echo did not write."""
        numbered = (f"{stem}-{count}{suffix}" for count in itertools.count(2))
        for name in itertools.chain([f"{stem}{suffix}"], numbered):
            path = self._folder / name
            if name not in self._names and (not path.exists() or is_ours(path)):
                self._names.add(name)
                return path
        raise AssertionError("numbers do not end")

    def finish(self, failures: Sequence[str] = ()) -> Path:
        """Write ``report.html``, which needs no other file; returns its path.

        Raises:
            OutputError: If the page cannot be written.
        """
        path = self._free_path("report", ".html", _is_our_page)
        page = _template("report.html.j2").generate(
            title=self._title,
            generator=GENERATOR,
            counts=[(v, self._counts[v]) for v in VERDICT_COLOURS],
            colours=VERDICT_COLOURS,
            faithful=self._faithful(),
            articles=self._take_articles(),
            failures=failures,
        )
        write_chunks(path, (chunk.encode("utf-8") for chunk in page))
        return path

    def _faithful(self) -> str:
        return f"Explanations: {_faithfulness(self._outcomes)}." if self._outcomes else ""

    def _take_articles(self) -> Iterator[str]:
        if self._articles is None:
            return
        with self._articles as scratch:
            scratch.seek(0)
            while chunk := scratch.read(CHUNK_CHARACTERS):
                yield chunk


def _stem(inspection: Inspection) -> str:
    stem = Path(inspection.image).stem.encode("utf-8")[:STEM_BYTES]
    return stem.decode("utf-8", "ignore") or "image"


def to_png(sheet: Image.Image) -> bytes:
    """A picture as a PNG file that is marked as Echo's."""
    mark = PngInfo()
    mark.add_text("Software", SOFTWARE)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", pnginfo=mark)
    return buffer.getvalue()


def _thumbnail(sheet: Image.Image) -> str:
    """A small JPEG in base64."""
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=85)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
