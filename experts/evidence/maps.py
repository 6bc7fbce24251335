"""What the decoder sees: normal images beside this one, and how unlike them each place is."""

from __future__ import annotations

from pathlib import Path

from experts.evidence.base import Array, Evidence, FloatArray, Limit


class Reference(Evidence):
    """One of the most similar normal images of the line.

    Attributes:
        id: How steps cite it, for example ``reference-1``.
        path: The file it was enrolled from.
        thumbnail: The line's own copy, which stays when the original is moved.
        similarity: Cosine similarity of the global embeddings, −1 to 1.
        rank: 1 for the most similar.
    """

    id: str
    path: Path
    thumbnail: Path
    similarity: float
    rank: int


class ChannelScore(Evidence):
    """What one channel of the decoder says of the whole image.

    Attributes:
        name: ``patches``, ``texture``, ``overall`` or ``text``.
        score: Higher is more anomalous; the unit is the channel's own.
        surprise: −log of the share of normal images that score higher, by the line's seed images;
            ``None`` for a line without.
    """

    name: str
    score: float
    surprise: float | None


class TwinScore(Evidence):
    """How the image differs from the enrolled image that lies exactly on it.

    Attributes:
        path: The file that the other image was enrolled from.
        agreement: Correlation of the two, a defect aside; 1 at most.
        difference: The largest of any place, in units of the line's grey range.
        limit: What a change in exposure may do at most.
        area: Share of the image that differs by more than half of that.
        largest_area: From this share on normal images differ that lie on each other, though they
            show different parts, this image and those whose twin it would be among them; infinite
            if too few do to tell.
        calibrated: Whether the p-value takes the difference into account; else there are too few
            normal images for that.
        added: What the difference adds to the image's score.
    """

    path: Path
    agreement: float
    difference: float
    limit: float
    area: float
    largest_area: Limit
    calibrated: bool
    added: float

    @property
    def stands_out(self) -> bool:
        """Whether the difference counts."""
        return self.difference > self.limit and self.area < self.largest_area

    @property
    def decides(self) -> bool:
        """Whether the p-value is that of the difference."""
        return self.stands_out and self.calibrated


class AnomalyMap(Evidence):
    """How unlike the normal images each place of the picture is.

    Attributes:
        patch_scores_HW: float32, one score per place on a grid: a squared feature distance, in
            units of its limit where the line has tails of its channels. Beside texts it is brought
            to the span 0 to 1, and the probability that the place looks abnormal is added to it.
        patch_stride_px: Size of the grid's step in image pixels, (vertical, horizontal).
        patch_centre_px: Centre of the first place in image pixels, (vertical, horizontal).
        image_size_HW: Size of the input image in pixels.
        score: Image level, higher is more anomalous.
        p_value: Conformal: how often a normal part stands out as much.
        channels: What the score is fused from.
        calibration_size: How many normal images the p-value is taken against.
        differing: How many of these differ from their twins so that it counts; they rank above all
            that do not.
        limit: The patch score that only ``alpha`` of normal images reach anywhere; infinite where
            there is none to compare with.
        extent_limit: The patch score below which no region extends: one normal patch in a
            hundred exceeds it; infinite as ``limit``.
        encoder: Name of the encoder that made the features.
        twin: Where an enrolled image lies exactly on this one.
        part_found: Whether a part stands out from the background, for a line whose parts lie free.
    """

    patch_scores_HW: Array
    patch_stride_px: tuple[float, float]
    patch_centre_px: tuple[float, float]
    image_size_HW: tuple[int, int]
    score: float
    p_value: float
    channels: tuple[ChannelScore, ...] = ()
    calibration_size: int
    differing: int = 0
    limit: Limit
    extent_limit: Limit
    encoder: str
    twin: TwinScore | None = None
    part_found: bool = True

    @property
    def score_alone(self) -> float:
        """The score without what the twin adds."""
        return self.score - (self.twin.added if self.twin else 0.0)

    @property
    def by_words_alone(self) -> bool:
        """Whether the image was compared with texts only, since no normal image was enrolled."""
        return [channel.name for channel in self.channels] == ["text"]

    @property
    def scores_HW(self) -> FloatArray:
        """The patch scores brought to image pixels by linear interpolation, float32.

        Made anew at each access, since a map of a large image is larger than all the rest.
        """
        from experts.decoder.regions import upsample

        return upsample(
            self.patch_scores_HW, self.image_size_HW, self.patch_stride_px, self.patch_centre_px
        )
