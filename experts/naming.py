"""The Kind Expert: says of each region which of the kinds that the line was shown it may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from experts.decoder.descriptor import describe_place, place_of_region
from experts.decoder.encoder import Encoder
from experts.evidence import AnomalyMap, Reference, Region
from experts.images import Picture
from experts.kinds import KindModel


class KindExpert:
    """Describes regions as the examples were described, and compares them.

    Args:
        model: Learnt from the examples.
        encoder: That of the line.
        thumbnail: Gives the line's small copy of a normal image, RGB. The original may be gone.
    """

    def __init__(
        self,
        model: KindModel,
        encoder: Encoder,
        thumbnail: Callable[[Reference], Image.Image],
    ) -> None:
        self._model = model
        self._encoder = encoder
        self._thumbnail = thumbnail

    def name(
        self,
        picture: Picture,
        references: Sequence[Reference],
        anomaly: AnomalyMap,
        regions: Sequence[Region],
    ) -> tuple[Region, ...]:
        """The same regions, each with its ``kinds``.

        Args:
            picture: The image.
            references: Similar normal images, best first.
            anomaly: Its map.
            regions: As found on the map.

        Raises:
            LineError: If the line's copy of the most similar normal image is not as enrolled.
        """
        if not regions:
            return ()
        normal_HW3 = np.asarray(self._thumbnail(references[0]))
        named = []
        for region in regions:
            place = place_of_region(region, anomaly)
            descriptor_D = describe_place(picture.rgb_HW3, place, normal_HW3, self._encoder)
            kinds = self._model.predict(descriptor_D)
            named.append(region.model_copy(update={"kinds": kinds}))
        return tuple(named)
