"""Self-audit: what a line's normal images say of each other, and what further ones would bring.

Each image was compared with the others at enrolment, without what it gave to the memory banks
itself. Scores and distances of normal images roughly follow a log-normal law. It is fitted by the
median and a quartile, which a few odd images hardly move, and so roughly known it becomes a t law:
a quartile tells of the spread what about a third as many images tell through their standard
deviation. Of few images, one is suspicious, and a pair much alike, if fewer than one set of good
images in a hundred holds any like it. Of many, an image is suspicious if fewer than one good image
in 200 would look so unusual: whoever looks at it loses a moment, while a defect that stays among
the normal images is learned. Two images with the same defect vouch for each other, so they may be
missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from echo.enrolment import require_images
from echo.manifest import EnrolledImage
from experts.decoder.conformal import (
    percent,
    rate_range,
    room_for_twins,
    smallest_p_value,
)
from experts.evidence import Evidence

if TYPE_CHECKING:
    from echo.line import ProductLine

# With fewer images to compare with each other, nothing can be said.
MIN_IMAGES = 10
# So many images or pairs of a set of good ones may be reported in the mean, if the law holds; as
# real tails are a little longer, that makes a few sets in a hundred.
FALSE_ALARMS = 0.01
# Of at least so many images, such a share may be.
MANY = 100
SHARE_OF_MANY = 0.005
# Images are compared with all others in groups of so many.
CHUNK = 512
# Of the standard deviation of a normal law: how far its quartiles lie from the median.
QUARTILE = 0.6745
# So much of what n values tell of a spread is left when it is taken from a quartile.
EFFICIENCY = 0.37
# Values that hardly differ are not taken for more certain than to a hundredth.
MIN_SPREAD = 0.01
# Below this, scores and distances are rounding.
ROUNDING = 1e-6
# Less than that, in share of a score, is hardly worth a further image.
WORTH = 0.005


class Suspicious(Evidence):
    """A normal image that is unlike the others: perhaps a defect slipped in.

    Attributes:
        number: In the line, from 1.
        path: The file it was enrolled from.
        chance: How many of the line's images would look so unusual if all were good, in the mean.
        box_xyxy: Around the place that differs most, in image pixels.
        size_HW: Of the image, in pixels.
    """

    number: int
    path: Path
    chance: float
    box_xyxy: tuple[int, int, int, int]
    size_HW: tuple[int, int]


class NearDuplicate(Evidence):
    """Two normal images that are much more alike than others.

    Attributes:
        numbers: In the line, from 1, the lower first.
        paths: The files they were enrolled from.
        similarity: Correlation of how the two differ from the mean of all images, at most 1.
        place_ltrb: Where they visibly differ all the same, so that one may be defective: left, top,
            right and bottom in shares of the sides; ``None`` if they do not.
    """

    numbers: tuple[int, int]
    paths: tuple[Path, Path]
    similarity: float
    place_ltrb: tuple[float, float, float, float] | None


class Audit(Evidence):
    """What a line's normal images say of each other.

    Attributes:
        images: How many there are.
        suspicious: The most unusual first.
        near_duplicates: The most alike first.
        gain: By which share the score of a normal part would fall with one more image; ``None``
            if that is not known.
        sentences: All of it in words.
    """

    images: int
    suspicious: tuple[Suspicious, ...]
    near_duplicates: tuple[NearDuplicate, ...]
    gain: float | None
    sentences: tuple[str, ...]


def audit_line(line: ProductLine) -> Audit:
    """Audit a line by what is known since its enrolment.

    Raises:
        EnrolError: If the line was enrolled without images.
        LineError: If the line is damaged or was replaced since it was opened.
    """
    require_images(line, "there is none to audit")
    count = len(line.manifest.images)
    suspicious = _suspicious(line.manifest.images)
    duplicates = _near_duplicates(line)
    decline = line.manifest.decline
    gain = None if decline is None else 1 - (count / (count + 1)) ** decline
    return Audit(
        images=count,
        suspicious=suspicious,
        near_duplicates=duplicates,
        gain=gain,
        sentences=_in_words(line, suspicious, duplicates, gain),
    )


def chances(values_n: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many of n values would be at least as high if all came from one log-normal law, (n,).

    Args:
        values_n: 0 or more each; about the law of the lower side, ask for the inverse values.
    """
    logs_n = np.log(np.maximum(values_n, ROUNDING))
    median, upper = np.quantile(logs_n, [0.5, 0.75])
    around = np.median(np.abs(logs_n - median))
    spread = max(float(upper - median), float(around), MIN_SPREAD) / QUARTILE
    freedom = EFFICIENCY * (len(values_n) - 1)
    return np.asarray(len(values_n) * stdtr(freedom, -(logs_n - median) / spread))


def _suspicious(images: Sequence[EnrolledImage]) -> tuple[Suspicious, ...]:
    found = []
    share = SHARE_OF_MANY if len(images) >= MANY else 0.0
    for seed in (True, False):
        group = [
            (number, image, image.left_out)
            for number, image in enumerate(images, start=1)
            if image.left_out is not None and image.left_out.seed == seed
        ]
        if len(group) < MIN_IMAGES:
            continue
        chance_n = chances(np.array([left_out.score for _, _, left_out in group]))
        found += [
            Suspicious(
                number=number,
                path=Path(image.path),
                chance=float(chance),
                box_xyxy=left_out.box_xyxy,
                size_HW=left_out.size_HW,
            )
            for (number, image, left_out), chance in zip(group, chance_n, strict=True)
            if chance < max(FALSE_ALARMS, share * len(group))
        ]
    return tuple(sorted(found, key=lambda image: image.chance))


def _near_duplicates(line: ProductLine) -> tuple[NearDuplicate, ...]:
    images = line.manifest.images
    if len(images) < MIN_IMAGES:
        return ()
    others_N, similarities_N = closest_others(line.sketches.sketches_Nss)
    distances_N = np.maximum(1 - similarities_N.astype(float), ROUNDING)
    chance_N = chances(1 / distances_N)
    pairs = {
        (min(i, int(others_N[i])), max(i, int(others_N[i]))): float(similarities_N[i])
        for i in np.flatnonzero(chance_N < FALSE_ALARMS).tolist()
    }
    return tuple(
        NearDuplicate(
            numbers=(a + 1, b + 1),
            paths=(Path(images[a].path), Path(images[b].path)),
            similarity=similarity,
            place_ltrb=_difference(line, a, b),
        )
        for (a, b), similarity in sorted(pairs.items(), key=lambda pair: -pair[1])
    )


def _difference(
    line: ProductLine, first: int, second: int
) -> tuple[float, float, float, float] | None:
    """Where two images of a line visibly differ, though they show the same part."""
    from experts.decoder.golden import where_they_differ

    if not line.sketches.has_twins:
        return None
    return where_they_differ(line.template(first), line.template(second), line.sketches)


def closest_others(
    sketches_Nss: NDArray[np.uint8],
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Of each image, at least two: the one that is most alike, and how alike.

    What all images have in common says nothing, nor does the brightness of the whole image: both
    are taken off before the correlation.

    Args:
        sketches_Nss: Tiny copies of the images.
    """
    rows_ND = sketches_Nss.reshape(len(sketches_Nss), -1).astype(np.float32)
    rows_ND -= rows_ND.mean(axis=1, keepdims=True)
    rows_ND -= rows_ND.mean(axis=0)
    rows_ND /= np.maximum(np.linalg.norm(rows_ND, axis=1, keepdims=True), ROUNDING)
    others, similarities = [], []
    for start in range(0, len(rows_ND), CHUNK):
        alike_nN = rows_ND[start : start + CHUNK] @ rows_ND.T
        own_n = np.arange(len(alike_nN))
        alike_nN[own_n, start + own_n] = -np.inf
        others.append(alike_nN.argmax(axis=1))
        similarities.append(alike_nN.max(axis=1))
    return np.concatenate(others), np.concatenate(similarities)


def _in_words(
    line: ProductLine,
    suspicious: Sequence[Suspicious],
    duplicates: Sequence[NearDuplicate],
    gain: float | None,
) -> tuple[str, ...]:
    count = len(line.manifest.images)
    if count < MIN_IMAGES:
        few = f"{count} images cannot be compared with each other; from {MIN_IMAGES} on they can"
        return (f"{few}.", _promise(line))
    named = [f"{image.number} ({image.path.name})" for image in suspicious]
    alike = [_both(pair) for pair in duplicates if pair.place_ltrb is None]
    differing = [_both(pair) for pair in duplicates if pair.place_ltrb is not None]
    sentences = [
        f"Unlike the others, look whether there is a defect: {', '.join(named)}."
        if named
        else f"None of the {count} images is unlike the others."
    ]
    if alike:
        sentences.append(f"Much alike, so they count for little more than one: {', '.join(alike)}.")
    if differing:
        sentences.append(
            "These show the same and yet differ, look whether one has a defect: "
            f"{', '.join(differing)}."
        )
    if not duplicates:
        sentences.append("No two images are nearly the same.")
    if gain is not None:
        enough = "enough are enrolled" if gain < WORTH else "more are worth enrolling"
        sentences.append(
            f"One more image would lower the score of a normal part by about {percent(gain)}: "
            f"{enough}."
        )
    if twins := _twins_in_words(line):
        sentences.append(twins)
    return (*sentences, _promise(line))


def _twins_in_words(line: ProductLine) -> str:
    """What images that differ from their twins cost: smaller differences alone count."""
    visible_n = line.twins.highest_n > line.sketches.limit
    count, room = int(visible_n.sum()), room_for_twins(len(visible_n), line.alpha)
    # A fresh part that differs makes the one from which it differs count, too.
    if not room or count + 2 <= room:
        return ""
    areas = np.sort(line.twins.areas_n[visible_n])
    largest = percent(float(areas[max(0, room - 2)]))
    return (
        f"{count} images differ from another that they lie on, as parts of one kind do; so a "
        f"difference only counts on less than {largest} of the area. More images allow for more."
    )


def _both(pair: NearDuplicate) -> str:
    return f"{pair.numbers[0]} and {pair.numbers[1]}"


def _promise(line: ProductLine) -> str:
    """What is promised, and what twice as many images to compare with would."""
    n, alpha = line.manifest.calibration_size, line.alpha
    twice = 2 * max(n, 1)
    sentence = f"Now {line.promise}."
    if smallest_p_value(twice) > alpha:
        return f"{sentence} With {twice} it would be {percent(smallest_p_value(twice))}."
    low, high = rate_range(twice, alpha)
    return f"{sentence} With {twice} between {percent(low)} and {percent(high)}."
