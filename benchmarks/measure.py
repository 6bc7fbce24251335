"""One measurement: enrol, inspect, and compare with the labels.

Overkill is the share of good parts that are not accepted, escapes the share of defective parts
that are. No label is seen before the verdicts are in.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.boxes import BoxCounts
from benchmarks.masks import read_masks
from benchmarks.metrics import auroc, average_precision, f1_max
from benchmarks.pixels import PixelCounts
from benchmarks.products import Sample, Split
from echo import Failure, Inspection, Inspector, ProductLine
from experts.decoder.conformal import smallest_p_value
from experts.errors import ImageError

Row = dict[str, float | None]


def measure(
    split: Split,
    *,
    name: str,
    alpha: float,
    encoder: str,
    seed: int,
    advance: Callable[[float], None],
) -> Row:
    """Enrol and inspect a split.

    Args:
        split: What is enrolled and what is tested. Without enrolled images the encoder's texts
            stand alone.
        name: Of the line; it says what the images show.
        alpha: False-reject rate to promise.
        encoder: Name of the encoder.
        seed: Of the enrolment.
        advance: Told how many images are done, enrolled ones too.

    Returns:
        ``image_auroc``, ``image_ap``, ``image_f1_max``; ``pixel_auroc``, ``aupro`` and
        ``boxes_found`` over the images whose defects have masks and the good ones, ``None`` without
        masks; ``overkill``, ``rejected_good`` (the part of it that is no review) and ``escapes``;
        ``promised``: alpha, or what so few images can promise; counts; seconds of the enrolment;
        milliseconds of an inspection.

    Raises:
        EchoError: If an image or a mask cannot be used.
    """
    with tempfile.TemporaryDirectory() as home:
        start = time.perf_counter()
        line = ProductLine.enroll(
            name,
            split.enrolled or None,
            alpha=alpha,
            encoder=encoder,
            seed=seed,
            single=True,
            home=home,
            progress=False,
        )
        enrol_s = time.perf_counter() - start
        advance(len(split.enrolled))
        tally = _Tally(has_masks=split.has_masks)
        for sample, inspection in _inspect(Inspector(line, keep=False, mllm="none"), split.test):
            tally.add(sample, inspection)
            advance(1)
        row = tally.row()
    compared = line.manifest.calibration_size
    row |= {"promised": max(alpha, smallest_p_value(compared)), "compared_with": compared}
    row["enrolled"] = len(split.enrolled)
    return row | {"enrol_s": enrol_s}


def _inspect(inspector: Inspector, samples: list[Sample]) -> Iterator[tuple[Sample, Inspection]]:
    results = inspector.inspect_many(sample.path for sample in samples)
    for sample, result in zip(samples, results, strict=True):
        if isinstance(result, Failure):
            raise ImageError(result.error)
        yield sample, result


class _Tally:
    """What is kept of each inspection; no map is."""

    def __init__(self, *, has_masks: bool) -> None:
        self._defective: list[bool] = []
        self._scores: list[float] = []
        self._verdicts: list[str] = []
        self._ms: list[float] = []
        self._marked = 0
        self._pixels = PixelCounts() if has_masks else None
        self._boxes = BoxCounts()

    def add(self, sample: Sample, inspection: Inspection) -> None:
        self._defective.append(sample.defective)
        self._scores.append(inspection.anomaly.score)
        self._verdicts.append(inspection.verdict)
        self._ms.append(sum(inspection.timings_ms.values()))
        if self._pixels is not None:
            mask_HW = read_masks(sample.masks, sample.path, inspection.size_HW)
            # A defect that no mask shows says nothing about where it is.
            if mask_HW.any() == sample.defective:
                self._marked += sample.defective
                self._pixels.add(inspection.anomaly.scores_HW, mask_HW)
                self._boxes.add(inspection.regions, mask_HW)

    def row(self) -> Row:
        bad = np.array(self._defective)
        accepted = np.array([v == "accept" for v in self._verdicts])
        rejected = np.array([v == "reject" for v in self._verdicts])
        pixels = self._pixels if self._marked else None
        return {
            "image_auroc": auroc(bad, self._scores),
            "image_ap": average_precision(bad, self._scores),
            "image_f1_max": f1_max(bad, self._scores),
            "pixel_auroc": pixels.auroc() if pixels else None,
            "aupro": pixels.aupro() if pixels else None,
            "boxes_found": self._boxes.found() if pixels else None,
            "overkill": float((~accepted[~bad]).mean()),
            "rejected_good": float(rejected[~bad].mean()),
            "escapes": float(accepted[bad].mean()),
            "good": int((~bad).sum()),
            "defective": int(bad.sum()),
            "with_mask": self._marked,
            "inspect_ms": float(np.mean(self._ms)),
        }
