"""The audit of a line as a picture: suspicious images with the place, near duplicates in pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from echo.report import CAPTION_PX, GAP_PX, PANEL_PX, fit_panel, is_our_picture, to_png
from echo.storage import writable_folder, write_bytes
from experts.errors import OutputError

if TYPE_CHECKING:
    from echo.audit import Audit, NearDuplicate, Suspicious
    from echo.line import ProductLine

FILE_NAME = "audit.png"
# So many of each sort, the worst first; the words name all.
MAX_DRAWN = 24
COLUMNS = 4
MARK = "#c62828"
TEXT = "#333333"

_Panel = tuple[str, Image.Image]


def write_audit(audit: Audit, line: ProductLine, folder: Path) -> Path:
    """Draw an audit into a folder, which is made if need be; gives the picture's path.

    Raises:
        LineError: If the line's copy of an image is not as enrolled.
        OutputError: If it cannot be written, or another's file of that name is there.
    """
    path = writable_folder(folder) / FILE_NAME
    if path.exists() and not is_our_picture(path):
        raise OutputError(f"{path}: was not written by Echo; choose another folder")
    write_bytes(path, to_png(draw_audit(audit, line)))
    return path


def draw_audit(audit: Audit, line: ProductLine) -> Image.Image:
    """The words, then suspicious images, then pairs side by side.

    Raises:
        LineError: If the line's copy of an image is not as enrolled.
    """
    suspicious = [_suspicious(image, line) for image in audit.suspicious[:MAX_DRAWN]]
    pairs = [panel for pair in audit.near_duplicates[:MAX_DRAWN] for panel in _pair(pair, line)]
    font = ImageFont.load_default(15)
    width = COLUMNS * (PANEL_PX + GAP_PX) + GAP_PX
    text = "\n".join(_wrapped([f"Line {line.name}", *audit.sentences], font, width - 2 * GAP_PX))
    _, _, _, bottom = ImageDraw.Draw(Image.new("RGB", (1, 1))).multiline_textbbox(
        (GAP_PX, GAP_PX), text, font=font
    )
    blocks = [_block(panels, width) for panels in (suspicious, pairs) if panels]
    head = round(bottom) + 2 * GAP_PX
    sheet = Image.new("RGB", (width, head + sum(block.height for block in blocks)), "white")
    ImageDraw.Draw(sheet).multiline_text((GAP_PX, GAP_PX), text, fill=TEXT, font=font)
    for block in blocks:
        sheet.paste(block, (0, head))
        head += block.height
    return sheet


def _suspicious(found: Suspicious, line: ProductLine) -> _Panel:
    height, width = found.size_HW
    left, top, right, bottom = found.box_xyxy
    place_ltrb = (left / width, top / height, right / width, bottom / height)
    return f"{found.number}: look for a defect", _panel(found.number, line, place_ltrb)


def _pair(found: NearDuplicate, line: ProductLine) -> list[_Panel]:
    form = "{}: much like {}" if found.place_ltrb is None else "{}: or {} has a defect?"
    first, second = found.numbers
    return [
        (form.format(number, other), _panel(number, line, found.place_ltrb))
        for number, other in ((first, second), (second, first))
    ]


def _panel(
    number: int, line: ProductLine, place_ltrb: tuple[float, float, float, float] | None
) -> Image.Image:
    """An image of the line with a place marked, which is given in shares of its sides."""
    panel = fit_panel(line.copy_of(number - 1))
    if place_ltrb is not None:
        left, top, right, bottom = place_ltrb
        across, down = panel.size
        corners = (left * across, top * down, right * across - 1, bottom * down - 1)
        ImageDraw.Draw(panel).rectangle(corners, outline=MARK, width=3)
    return panel


def _block(panels: list[_Panel], width: int) -> Image.Image:
    rows = [panels[start : start + COLUMNS] for start in range(0, len(panels), COLUMNS)]
    heights = [max(p.height for _, p in row) + CAPTION_PX + GAP_PX for row in rows]
    block = Image.new("RGB", (width, sum(heights)), "white")
    draw, font, top = ImageDraw.Draw(block), ImageFont.load_default(15), 0
    for row, height in zip(rows, heights, strict=True):
        for column, (caption, panel) in enumerate(row):
            left = GAP_PX + column * (PANEL_PX + GAP_PX)
            draw.text((left, top + 5), caption, fill=TEXT, font=font)
            block.paste(panel, (left + (PANEL_PX - panel.width) // 2, top + CAPTION_PX))
        top += height
    return block


def _wrapped(
    sentences: list[str], font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[str]:
    lines = []
    for sentence in sentences:
        text = ""
        for word in sentence.split():
            if text and font.getlength(f"{text} {word}") > width:
                lines.append(text)
                text = word
            else:
                text = f"{text} {word}".strip()
        lines.append(text)
    return lines
