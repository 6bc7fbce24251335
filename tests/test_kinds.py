from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from experts.decoder.descriptor import PARTS
from experts.errors import EnrolError
from experts.kinds import MISS_RATE, SHRINKAGE, KindModel

FloatArray = NDArray[np.float32]
Wide = NDArray[np.float64]

HALF = 6
SIZE = 2 * HALF + sum(PARTS)
NAMES = ("crack", "pit", "scratch")


def examples_of(
    counts: tuple[int, ...], seed: int, apart: float = 3.0
) -> tuple[FloatArray, list[str]]:
    """Clouds of points, one a kind; the kinds differ in some of the numbers only."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, apart, (len(counts), SIZE)) * (np.arange(SIZE) % 3 == 0)
    mixed = rng.normal(0, 1, (SIZE, SIZE)) / SIZE**0.5
    points, names = [], []
    for centre, name, count in zip(centres, NAMES, counts, strict=False):
        points.append(centre + rng.normal(0, 1, (count, SIZE)) @ mixed)
        names += [name] * count
    return np.concatenate(points).astype(np.float32), names


def slow_scale(points: Wide, names: list[str]) -> Wide:
    """One divided by each number's width, times the skill of its part, number by number."""
    ends = np.cumsum([0, HALF, HALF, *PARTS]).tolist()
    scale = np.zeros(SIZE)
    for part in range(5):
        inside = range(ends[part], ends[part + 1])
        total = sum(points[:, d].var() for d in inside)
        for d in inside:
            own_width = (points[:, d].std() + 0.05) * len(inside) ** 0.5
            scale[d] = 1 / (np.sqrt(total + 1e-9) if part < 2 else own_width)
        kinds = sorted(set(names))
        right = 0
        for i in range(len(points)):
            rest = [j for j in range(len(points)) if j != i]
            far = []
            for kind in kinds:
                centre = np.mean([points[j] for j in rest if names[j] == kind], axis=0)
                far.append(sum(((points[i, d] - centre[d]) * scale[d]) ** 2 for d in inside))
            right += kinds[int(np.argmin(far))] == names[i]
        skill = (right / len(points) - 1 / len(kinds)) / (1 - 1 / len(kinds)) if kinds[1:] else 1
        for d in inside:
            scale[d] *= max(skill, 0.001)
    return scale


def slow_metric(points: Wide, names: list[str]) -> Wide:
    """The matrix of the squared distance, by inverting the shrunken covariance."""
    scale = np.diag(slow_scale(points, names))
    scaled = points @ scale
    kinds = sorted(set(names))
    covariance = np.zeros((SIZE, SIZE))
    for kind in kinds:
        own = scaled[[name == kind for name in names]]
        covariance += (own - own.mean(axis=0)).T @ (own - own.mean(axis=0))
    covariance /= max(len(points) - len(kinds), 1)
    shrunken = (1 - SHRINKAGE) * covariance
    shrunken += np.eye(SIZE) * (SHRINKAGE * np.trace(covariance) / SIZE + 1e-12)
    return np.asarray(scale @ np.linalg.inv(shrunken) @ scale)


def squared(metric: Wide, a: Wide, b: Wide) -> float:
    return np.float64((a - b) @ metric @ (a - b)).item()


@pytest.mark.parametrize("seed", range(2))
def test_probabilities_follow_the_slow_discriminant(seed: int) -> None:
    descriptors, names = examples_of((4, 5, 3), seed, apart=0.7)
    model = KindModel.fit(descriptors, names)
    points = descriptors.astype(np.float64)
    metric = slow_metric(points, names)
    centres = [points[[n == kind for n in names]].mean(axis=0) for kind in NAMES]
    temperatures = []
    for query in examples_of((3, 3, 3), seed + 100, apart=0.7)[0].astype(np.float64):
        probabilities = model.predict(query.astype(np.float32)).probabilities
        assert sum(probabilities.values()) == pytest.approx(1)
        query = query.astype(np.float32).astype(np.float64)
        far = [squared(metric, query, centre) for centre in centres]
        assert next(iter(probabilities)) == NAMES[int(np.argmin(far))]
        logs = [np.log(probabilities[kind]) for kind in NAMES]
        temperatures += [(far[i] - far[0]) / (logs[0] - logs[i]) / 2 for i in (1, 2)]
    assert temperatures == pytest.approx([temperatures[0]] * len(temperatures), rel=1e-4)


def slow_p_value(points: Wide, names: list[str], query: Wide, kind: str) -> float:
    others = [i for i, name in enumerate(names) if name != kind]
    metric = slow_metric(points[others], [names[i] for i in others])
    rivals = [
        points[[name == rival for name in names]].mean(axis=0)
        for rival in sorted(set(names) - {kind})
    ]
    own = [points[i] for i, name in enumerate(names) if name == kind] + [query]
    strange = []
    for i, point in enumerate(own):
        far = sorted(squared(metric, point, other) for other in own[:i] + own[i + 1 :])
        near_rival = min(squared(metric, point, rival) for rival in rivals) ** 0.5
        strange.append(float(np.mean(far[:-1])) / near_rival)
    return float(np.mean(np.array(strange) >= strange[-1] * (1 - 1e-9)))


@pytest.mark.parametrize("seed", range(2))
def test_p_values_equal_the_definition(seed: int) -> None:
    descriptors, names = examples_of((4, 5, 3), seed, apart=0.7)
    model = KindModel.fit(descriptors, names)
    for query in examples_of((2, 2, 2), seed, apart=0.7)[0] + np.float32(0.1):
        found = model.predict(query).p_values
        for kind in NAMES:
            slow = slow_p_value(
                descriptors.astype(np.float64), names, query.astype(np.float64), kind
            )
            assert found[kind] == pytest.approx(slow)


@pytest.mark.parametrize("seed", range(2))
def test_each_of_a_kind_in_turn_misses_its_kind_as_often_as_promised_and_never_more(
    seed: int,
) -> None:
    """Exchangeable means that any of n + 1 may be the new one; the promise is on their average."""
    descriptors, names = examples_of((5, 5, 10), seed, apart=0.5)
    for kind, count in (("crack", 5), ("pit", 5), ("scratch", 10)):
        missed = 0
        for i in [i for i, name in enumerate(names) if name == kind]:
            rest = np.delete(descriptors, i, axis=0)
            model = KindModel.fit(rest, names[:i] + names[i + 1 :])
            missed += kind not in model.predict(descriptors[i]).names
        assert missed <= max(MISS_RATE, 1 / count) * count + 1e-9


@pytest.mark.parametrize(("count", "coverage"), [(2, 2 / 3), (5, 5 / 6), (9, 0.9), (40, 0.9)])
def test_no_more_is_promised_than_the_examples_can_prove(count: int, coverage: float) -> None:
    descriptors, names = examples_of((count, 40, 40), 0)
    assert KindModel.fit(descriptors, names).coverage == pytest.approx(coverage)


def test_kinds_that_are_far_apart_are_told_apart() -> None:
    descriptors, names = examples_of((30, 30, 30), 0, apart=4)
    shown = np.concatenate([np.arange(k * 30, k * 30 + 5) for k in range(3)])
    model = KindModel.fit(descriptors[shown], [names[i] for i in shown])
    asked = np.setdiff1d(np.arange(90), shown)
    found = [model.predict(descriptors[i]) for i in asked]
    assert [next(iter(kinds.probabilities)) for kinds in found] == [names[i] for i in asked]
    assert (
        np.mean([kinds.in_words == names[i] for kinds, i in zip(found, asked, strict=True)]) > 0.7
    )


def test_two_examples_of_each_of_many_kinds_suffice_for_sound_numbers() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 5, (10, SIZE))
    shown = np.repeat(centres, 2, axis=0) + rng.normal(0, 0.3, (20, SIZE))
    names = [f"kind {i}" for i in range(10) for _ in range(2)]
    model = KindModel.fit(shown.astype(np.float32), names)
    for i, centre in enumerate(centres):
        found = model.predict(centre.astype(np.float32))
        assert next(iter(found.probabilities)) == f"kind {i}"
        assert sum(found.probabilities.values()) == pytest.approx(1)
        assert found.probabilities[f"kind {i}"] > 0.5


def test_kinds_that_look_alike_are_both_named() -> None:
    descriptors, _ = examples_of((20,), 0)
    model = KindModel.fit(descriptors[:12], ["crack"] * 6 + ["scratch"] * 6)
    both = [set(model.predict(query).names) == {"crack", "scratch"} for query in descriptors[12:]]
    assert np.mean(both) > 0.6
    words = {model.predict(query).in_words for query in descriptors[12:]}
    assert words & {"crack or scratch", "scratch or crack"}


def test_what_fits_no_kind_is_unknown() -> None:
    descriptors, names = examples_of((5, 5, 5), 0)
    found = KindModel.fit(descriptors, names).predict(descriptors.mean(axis=0) + 50)
    assert found.unknown
    assert found.in_words == "unknown kind"
    assert list(found.p_values.values()) == pytest.approx([1 / 6] * 3)


def test_a_single_kind_is_either_it_or_unknown() -> None:
    descriptors, names = examples_of((5,), 0)
    model = KindModel.fit(descriptors, names)
    assert model.predict(descriptors.mean(axis=0)).names == ("crack",)
    assert model.predict(descriptors[0] + 50).unknown


def test_the_order_of_the_examples_does_not_matter() -> None:
    descriptors, names = examples_of((4, 5, 3), 1, apart=0.7)
    order = np.random.default_rng(0).permutation(len(names))
    model = KindModel.fit(descriptors, names)
    mixed = KindModel.fit(descriptors[order], [names[i] for i in order])
    for query in examples_of((3, 3, 3), 2, apart=0.7)[0]:
        one, other = model.predict(query), mixed.predict(query)
        assert one.names == other.names
        assert one.p_values == other.p_values


def test_a_model_comes_back_from_safetensors(tmp_path: Path) -> None:
    descriptors, names = examples_of((4, 5, 3), 1, apart=0.7)
    model = KindModel.fit(descriptors, names)
    save_file(model.to_tensors(), tmp_path / "kinds.safetensors")
    again = KindModel.from_tensors(load_file(tmp_path / "kinds.safetensors"))
    assert again.names == model.names == NAMES
    for query in descriptors:
        assert again.predict(query) == model.predict(query)


def test_the_likeliest_kinds_are_as_often_right_as_they_are_likely() -> None:
    descriptors, names = examples_of((150, 150, 150), 3, apart=0.6)
    shown = np.concatenate([np.arange(k * 150, k * 150 + 12) for k in range(3)])
    model = KindModel.fit(descriptors[shown], [names[i] for i in shown])
    asked = np.setdiff1d(np.arange(450), shown)
    found = [model.predict(descriptors[i]).probabilities for i in asked]
    right = np.mean([next(iter(p)) == names[i] for p, i in zip(found, asked, strict=True)])
    likely = np.mean([max(p.values()) for p in found])
    assert 0.5 < right < 0.97
    assert likely == pytest.approx(right, abs=0.12)


def test_too_few_examples_are_refused_in_words() -> None:
    descriptors, names = examples_of((3, 1), 0)
    with pytest.raises(EnrolError, match=r"only 1 example of the kind 'pit'; show at least 2, "):
        KindModel.fit(descriptors, names)
    with pytest.raises(EnrolError, match="no example of any kind of defect; show 3 to 5 of each"):
        KindModel.fit(np.empty((0, SIZE), np.float32), [])
