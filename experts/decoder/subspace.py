"""Subspace scoring: how much of a patch lies outside the principal subspace of normal ones.

SubspaceAD: PCA on the patches of few normal images; a patch's score is the squared length of what
the components do not reach. The covariance is gathered image by image, so never more than one
image's patches are held: Chan, Golub & LeVeque, "Algorithms for Computing the Sample Variance"
(The American Statistician 1983), the pairwise update, for vectors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from experts.errors import EnrolError

FloatArray = NDArray[np.float32]

VARIANCE = 0.99


@dataclass(frozen=True)
class Subspace:
    """Mean and main directions of normal patches.

    Attributes:
        mean_C: float32.
        basis_KC: float32, orthonormal rows, the direction of most variance first; K may be 0.
    """

    mean_C: FloatArray
    basis_KC: FloatArray

    @classmethod
    def fit(cls, images: Iterable[FloatArray], variance: float = VARIANCE) -> Subspace:
        """Fit the smallest subspace that holds a share of the variance.

        Args:
            images: Patches of normal images, one (P, C) array each; taken one at a time.
            variance: The share that the subspace holds at least, above 0, at most 1.

        Raises:
            EnrolError: If there is no patch, or the share is out of range.
        """
        if not 0 < variance <= 1:
            raise EnrolError(
                f"the share of variance is {variance!r}; expected more than 0 and at most 1"
            )
        mean_C, scatter_CC = _moments(images)
        values_C, columns_CC = torch.linalg.eigh(scatter_CC)  # in ascending order
        held_C = values_C.flip(0).clamp(min=0).cumsum(0)
        # Without any variance the mean alone holds all of it.
        kept = int((held_C < variance * held_C[-1]).sum()) + 1 if held_C[-1] > 0 else 0
        basis_KC = columns_CC.flip(1)[:, :kept].T.contiguous()
        return cls(mean_C.float().numpy(), basis_KC.float().numpy())

    def residuals(self, patches_NC: FloatArray) -> FloatArray:
        """Squared distance of each patch (N, C) to the subspace, (N,) float32."""
        basis_KC = torch.from_numpy(self.basis_KC)
        centred_NC = torch.from_numpy(patches_NC) - torch.from_numpy(self.mean_C)
        # Taken from the part outside, not as a difference of lengths: that would round below 0.
        outside_NC = centred_NC - centred_NC @ basis_KC.T @ basis_KC
        return np.asarray((outside_NC**2).sum(dim=1).numpy(), np.float32)


def _moments(images: Iterable[FloatArray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (C,) and scatter matrix (C, C) of all patches, float64."""
    count = 0
    mean_C = scatter_CC = torch.zeros(())
    for patches_PC in images:
        if not len(patches_PC):
            continue
        patches = torch.from_numpy(patches_PC).double()
        own_mean_C = patches.mean(dim=0)
        centred = patches - own_mean_C
        step_C = own_mean_C - mean_C
        total = count + len(patches)
        shift_CC = torch.outer(step_C, step_C) * (count * len(patches) / total)
        scatter_CC = scatter_CC + centred.T @ centred + shift_CC
        mean_C = mean_C + step_C * (len(patches) / total)
        count = total
    if count == 0:
        raise EnrolError("no normal patch was given; at least one image is needed")
    return mean_C, scatter_CC
