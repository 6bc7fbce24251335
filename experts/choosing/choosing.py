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
from experts.knowledge.schema import KnowledgeFile

FloatArray = NDArray[np.float64]

# Texts that are quite alike are so many times as probable as texts that are not, as a logarithm.
# How many hardly matters to which is best: from 4 to 12 few answers differ.
SHARPNESS = 8.0
# No option, and no kind that a line knows, is impossible.
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
        options: What can be chosen; in any words, empty ones and the same twice among them.
        grounds: What is known.

    Raises:
        ValueError: If there are no options.
    """
    if not options:
        raise ValueError("there is nothing to choose from")
    about = what_is_asked(question, options)
    weights, ids = _found(about, question, options, grounds)
    if weights is None:
        return Weighed(about, (1 / len(options),) * len(options), ())
    return Weighed(about, tuple(_shares(weights).tolist()), ids)


Found = tuple[FloatArray | None, tuple[str, ...]]


def _found(about: About, question: str, options: Sequence[str], grounds: Grounds) -> Found:
    """A weight for each option and what they rest on; no weights if nothing is known."""
    if about == "presence":
        return _presence(question, options, grounds)
    if about == "place":
        return _place(options, grounds)
    if about == "product":
        return _by_texts(options, grounds.products), ("reference-1",)
    if about == "good part":
        return _good_part(options, grounds)
    return (None, ()) if about == "other" else _of_kinds(about, options, grounds)


def _shares(weights: FloatArray) -> FloatArray:
    weights = weights / weights.sum()
    return np.asarray((weights + LEAST) / (1 + LEAST * len(weights)))


def _presence(question: str, options: Sequence[str], grounds: Grounds) -> Found:
    if grounds.defective is None:
        return None, ()
    sides = sides_of(in_sentences(question)[1], options)
    share = {"bad": grounds.defective, "good": 1 - grounds.defective}
    weights = [share[side] / sides.count(side) if side else 0.0 for side in sides]
    return np.array(weights), ("anomaly", "decision")


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
    region = grounds.region
    shows: Mapping[Trait, int] = {}
    if region is not None and grounds.weighs:
        shows = shown(region, grounds.size_HW[0] * grounds.size_HW[1])
    of_region = (region.id,) if region is not None and (shows or grounds.kinds) else ()
    kinds = _kinds_known(grounds)
    if not kinds:
        # Without any the options themselves say how a place looks.
        fits = np.array([fit(shows, option) for option in options])
        says = about in ("kind", "appearance") and bool(fits.any())
        return (np.exp(fits), of_region) if says else (None, ())
    means_NK = _means(about, options, kinds)
    if means_NK is None:
        return None, ()
    from_file = ("knowledge",) if grounds.knowledge is not None else ()
    return means_NK @ _probable(kinds, shows, grounds.kinds), (*from_file, *of_region)


class _Kind(NamedTuple):
    """What is known of one kind of defect."""

    names: tuple[str, ...]
    appearance: str | None = None
    cause: str | None = None
    effect: str | None = None


def _kinds_known(grounds: Grounds) -> list[_Kind]:
    """The kinds that the knowledge file tells of, then those that only examples were shown of."""
    defects = grounds.knowledge.defects if grounds.knowledge is not None else ()
    told = [_Kind((d.name, *d.synonyms), d.appearance, d.cause, d.effect) for d in defects]
    names = {name.casefold() for kind in told for name in kind.names}
    return told + [_Kind((n,)) for n in grounds.kinds or () if n.casefold() not in names]


def _probable(
    kinds: Sequence[_Kind], shows: Mapping[Trait, int], taught: Mapping[str, float] | None
) -> FloatArray:
    """Probability of each kind, by examples, or by how the file says that it looks."""
    if taught is not None:
        share = {name.casefold(): probability for name, probability in taught.items()}
        known = [sum(share.get(name.casefold(), 0.0) for name in kind.names) for kind in kinds]
        of_kind = np.array(known) + LEAST
    else:
        of_kind = np.exp([fit(shows, f"{k.names[0]}. {k.appearance or ''}") for k in kinds])
    return np.asarray(of_kind / of_kind.sum())


def _means(about: About, options: Sequence[str], kinds: Sequence[_Kind]) -> FloatArray | None:
    """How probably each option is what is said of each kind, (options, kinds).

    An option that is like all kinds alike tells nothing of any, so its weights are first shared out
    among the kinds, an unknown one beside them, and only then each kind's among the options.
    ``None`` if no option is like any.
    """
    alike_NK = np.stack([_alike(about, options, kind) for kind in kinds], axis=1)
    if not alike_NK.any():
        return None
    weights_NK = np.exp(SHARPNESS * alike_NK)
    weights_NK /= 1 + weights_NK.sum(axis=1, keepdims=True)
    return np.asarray(weights_NK / weights_NK.sum(axis=0))


def _alike(about: About, options: Sequence[str], kind: _Kind) -> FloatArray:
    """How like options are to what is said of one kind, (options,).

    What is asked for counts, and so does the text that is most like the option, whatever it tells:
    an effect may be told by the cause ("trapped gas"), or by the name ("the circuit is open").
    """
    said = {"appearance": kind.appearance, "effect": kind.effect, "cause": kind.cause}
    told = said.get(about)
    if not told:
        looks = f"{kind.names[0]} {kind.appearance or ''}"
        return np.asarray(likeness(options, [*kind.names, looks]).max(axis=1))
    alike_NT = likeness(options, [told, *kind.names, *filter(None, said.values())])
    return np.asarray(alike_NT[:, 0] + alike_NT.max(axis=1))
