"""Weighs the options of a question by what is known of an image: the baseline of every model.

The detector says whether there is a defect, its map where; what kind it is follows from how the
place looks and how the knowledge file says that kinds look; and all else from that file's texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experts.choosing.asking import About, in_sentences, what_is_asked
from experts.choosing.likeness import likeness
from experts.choosing.placing import fits, places_in
from experts.choosing.stating import sides_of
from experts.choosing.traits import Trait, fit, shown
from experts.evidence import AnomalyMap, Region
from experts.knowledge.schema import DefectKnowledge, KnowledgeFile

FloatArray = NDArray[np.float64]

# Texts that are quite alike are so many times as probable as texts that are not, as a logarithm.
SHARPNESS = 8.0
# No option is impossible.
LEAST = 0.01


@dataclass(frozen=True)
class Grounds:
    """What an answer can rest on; what is ``None`` or empty is not known.

    Attributes:
        defective: Probability that the part is defective.
        anomaly: The map.
        region: The place that stands out most, whatever the limits.
        size_HW: Of the image.
        products: What the line's product is called.
        knowledge: What is known of it.
        kinds: Probability of each kind of defect by its name, if examples were shown to the line.
        weighs: Whether kinds are told by how the place looks.
    """

    size_HW: tuple[int, int]
    defective: float | None = None
    anomaly: AnomalyMap | None = None
    region: Region | None = None
    products: Sequence[str] = ()
    knowledge: KnowledgeFile | None = None
    kinds: Mapping[str, float] | None = None
    weighs: bool = True


class Weighed(NamedTuple):
    """How probable each option is.

    Attributes:
        about: What the question was taken to ask.
        probabilities: One for each option, in their order; they add up to 1.
        evidence_ids: What they rest on; empty if nothing is known, so that all are alike.
    """

    about: About
    probabilities: tuple[float, ...]
    evidence_ids: tuple[str, ...]


def weigh(question: str, options: Sequence[str], grounds: Grounds) -> Weighed:
    """Weigh the options of a question.

    Args:
        question: The question.
        options: At least two texts.
        grounds: What is known.
    """
    about = what_is_asked(question, options)
    if about == "presence":
        weights, ids = _presence(question, options, grounds)
    elif about == "place":
        weights, ids = _place(options, grounds)
    elif about == "product":
        weights, ids = _by_texts(options, grounds.products), ("reference-1",)
    elif about == "other":
        weights, ids = None, ()
    elif about == "good part":
        weights, ids = _good_part(options, grounds)
    else:
        weights, ids = _of_kinds(about, options, grounds)
    if weights is None or not weights.any():
        return Weighed(about, (1 / len(options),) * len(options), ())
    return Weighed(about, tuple(_shares(weights).tolist()), ids)


Found = tuple[FloatArray | None, tuple[str, ...]]


def _shares(weights: FloatArray) -> FloatArray:
    weights = weights / weights.sum()
    return np.asarray((weights + LEAST) / (1 + LEAST * len(weights)))


def _presence(question: str, options: Sequence[str], grounds: Grounds) -> Found:
    if grounds.defective is None:
        return None, ()
    sides = sides_of(in_sentences(question)[1], options)
    share = {"bad": grounds.defective, "good": 1 - grounds.defective}
    return np.array([share[s] / sides.count(s) if s else 0.0 for s in sides]), (
        "anomaly",
        "decision",
    )


def _place(options: Sequence[str], grounds: Grounds) -> Found:
    if grounds.anomaly is None:
        return None, ()
    found = fits(grounds.anomaly, [places_in(option) for option in options])
    return found if found.any() else None, ("anomaly",)


def _by_texts(options: Sequence[str], texts: Sequence[str]) -> FloatArray | None:
    """Options by the text that is most like each."""
    if not texts:
        return None
    alike = likeness(options, texts).max(axis=1)
    return np.exp(SHARPNESS * alike) if alike.any() else None


def _good_part(options: Sequence[str], grounds: Grounds) -> Found:
    file = grounds.knowledge
    if file is None:
        return None, ()
    texts = [file.normal, *(view.normal for view in file.views if view.normal)]
    return _by_texts(options, texts), ("knowledge",)


def _of_kinds(about: About, options: Sequence[str], grounds: Grounds) -> Found:
    """Options by the kind that each speaks of, and how probable that kind is here."""
    shows = (
        shown(grounds.region, grounds.size_HW[0] * grounds.size_HW[1])
        if grounds.region is not None and grounds.weighs
        else {}
    )
    file = grounds.knowledge
    if file is None or not file.defects:
        if grounds.region is None or not shows:
            return None, ()
        # Without a file the options themselves say how kinds look.
        return np.exp([fit(shows, option) for option in options]), (grounds.region.id,)
    probable_K = _probable(file.defects, shows, grounds.kinds)
    ids = ("knowledge", *((grounds.region.id,) if grounds.region and shows else ()))
    return _means(about, options, file.defects) @ probable_K, ids


def _probable(
    defects: Sequence[DefectKnowledge],
    shows: Mapping[Trait, int],
    kinds: Mapping[str, float] | None,
) -> FloatArray:
    """Probability of each kind, by examples, or by how the file says that it looks."""
    if kinds is not None:
        of_kind = np.array([kinds.get(defect.name, 0.0) for defect in defects]) + LEAST
        return np.asarray(of_kind / of_kind.sum())
    fits = np.array([fit(shows, f"{d.name}. {d.appearance}") for d in defects])
    of_kind = np.exp(fits - fits.max())
    return np.asarray(of_kind / of_kind.sum())


def _means(about: About, options: Sequence[str], defects: Sequence[DefectKnowledge]) -> FloatArray:
    """How probably each option is what the file says of each kind, (options, kinds).

    An option that is like all kinds alike tells nothing of any, so its weights are first shared out
    among the kinds, and only then each kind's among the options.
    """
    alike_NK = np.stack([_alike(about, options, defect) for defect in defects], axis=1)
    weights_NK = np.exp(SHARPNESS * alike_NK)
    weights_NK /= weights_NK.sum(axis=1, keepdims=True)
    return np.asarray(weights_NK / weights_NK.sum(axis=0))


def _alike(about: About, options: Sequence[str], defect: DefectKnowledge) -> FloatArray:
    """How like options are to what the file says of one kind, (options,).

    What is asked for counts, and so does the text that is most like the option, whatever it tells:
    an effect may be told by the cause ("trapped gas"), or by the name ("the circuit is open").
    """
    named = [defect.name, *defect.synonyms, f"{defect.name} {defect.appearance}"]
    said = {"appearance": defect.appearance, "effect": defect.effect, "cause": defect.cause}
    told = said.get(about)
    if not told:
        return np.asarray(likeness(options, named).max(axis=1))
    alike_NT = likeness(options, [told, *named[:-1], *filter(None, said.values())])
    return np.asarray(alike_NT[:, 0] + alike_NT.max(axis=1))
