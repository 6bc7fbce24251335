from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load, save
from sklearn.decomposition import PCA

from experts.decoder.subspace import Subspace
from experts.errors import EnrolError


def images_of(seed: int, count: int = 5, channels: int = 12) -> list[NDArray[np.float32]]:
    """Patches far from the origin, with most variance in a few directions."""
    rng = np.random.default_rng(seed)
    mixing_CC = rng.normal(size=(channels, channels)) * 0.6 ** np.arange(channels)[:, None]
    sizes = rng.integers(3, 60, count)
    return [
        (rng.normal(size=(n, channels)) @ mixing_CC + 50).astype(np.float32) for n in sizes.tolist()
    ]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("variance", [0.5, 0.9, 0.99])
def test_it_is_the_pca_of_all_patches_together(seed: int, variance: float) -> None:
    images = images_of(seed)
    together = np.concatenate(images).astype(np.float64)
    pca = PCA(n_components=variance, svd_solver="full").fit(together)
    subspace = Subspace.fit(iter(images), variance)
    assert subspace.mean_C == pytest.approx(pca.mean_, rel=1e-6)
    assert len(subspace.basis_KC) == pca.n_components_
    # Directions are only given up to their sign.
    overlap_KK = np.abs(subspace.basis_KC @ pca.components_.T)
    assert overlap_KK == pytest.approx(np.eye(pca.n_components_), abs=1e-4)


def test_residuals_are_what_the_subspace_cannot_rebuild() -> None:
    subspace = Subspace.fit(images_of(0), 0.9)
    patches_NC = images_of(7)[0]
    found_N = subspace.residuals(patches_NC)
    for patch_C, found in zip(patches_NC, found_N, strict=True):
        rebuilt_C = subspace.mean_C.astype(np.float64)
        for direction_C in subspace.basis_KC:
            share = float((patch_C - subspace.mean_C) @ direction_C)
            rebuilt_C = rebuilt_C + share * direction_C
        assert found == pytest.approx(((patch_C - rebuilt_C) ** 2).sum(), rel=1e-3, abs=1e-4)
    assert found_N.dtype == np.float32
    assert found_N.shape == (len(patches_NC),)


def test_images_come_one_at_a_time_and_in_any_order() -> None:
    images = images_of(1)
    taken = 0

    def counted() -> Iterator[NDArray[np.float32]]:
        nonlocal taken
        for image in images:
            taken += 1
            yield image

    one = Subspace.fit(counted())
    other = Subspace.fit([np.concatenate(images[::-1])])
    assert taken == len(images)
    assert one.mean_C == pytest.approx(other.mean_C, rel=1e-6)
    patches_NC = images_of(8)[0]
    assert one.residuals(patches_NC) == pytest.approx(other.residuals(patches_NC), rel=1e-3)


def test_what_lies_in_the_subspace_scores_nothing() -> None:
    rng = np.random.default_rng(0)
    plane_2C = np.linalg.qr(rng.normal(size=(8, 2)))[0].T
    images = [(rng.normal(size=(40, 2)) @ plane_2C).astype(np.float32) for _ in range(3)]
    subspace = Subspace.fit(images, 0.999)
    assert len(subspace.basis_KC) == 2
    assert subspace.residuals(images[0]) == pytest.approx(0, abs=1e-9)
    outside_C = np.linalg.svd(plane_2C)[2][-1].astype(np.float32)
    assert subspace.residuals(images[0] + 3 * outside_C) == pytest.approx(9, rel=1e-4)


def test_equal_patches_leave_only_the_mean() -> None:
    patches_NC = np.full((10, 4), 2, np.float32)
    subspace = Subspace.fit([patches_NC, patches_NC])
    assert subspace.basis_KC.shape == (0, 4)
    assert subspace.residuals(patches_NC + 1) == pytest.approx(4)


def test_its_two_arrays_are_all_there_is_to_store() -> None:
    subspace = Subspace.fit(images_of(0))
    tensors = load(save({"mean": subspace.mean_C, "basis": subspace.basis_KC}))
    patches_NC = images_of(7)[0]
    stored = Subspace(tensors["mean"], tensors["basis"])
    assert stored.residuals(patches_NC).tolist() == subspace.residuals(patches_NC).tolist()


def test_nothing_to_fit_is_refused() -> None:
    with pytest.raises(EnrolError, match="no normal patch was given; at least one image"):
        Subspace.fit([np.empty((0, 4), np.float32)])
    with pytest.raises(EnrolError, match=r"share of variance is 1\.5; expected more than 0"):
        Subspace.fit(images_of(0), 1.5)
