"""Answers a question from evidence alone: each topic that it asks about gets its sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from experts.answers.distances import apart, centre, edge, share
from experts.answers.inspecting import (
    healed,
    learned,
    opinion,
    origin,
    reference,
    steps,
    thanks,
    time,
    twin,
)
from experts.answers.knowing import (
    answered,
    background,
    from_knowledge,
    in_general,
    kind_words,
    kinds_named,
    no_kinds,
    normal,
    severity,
)
from experts.answers.known import NOT_THERE, Known, Told
from experts.answers.margins import margin, odds, resolve
from experts.answers.places import (
    NO_PLACE,
    count,
    image,
    kind,
    kinds_in_short,
    named,
    ranking,
    same,
    scale,
    size,
    where,
    whether,
)
from experts.answers.pointing import at_place, regions_at
from experts.answers.reading import Asked, region_number
from experts.answers.topics import OF_VERDICT, Topic
from experts.answers.weighing import (
    certainty,
    clauses_named,
    next_step,
    rule,
    score,
    verdict,
    why,
)
from experts.evidence import Region

HELP = (
    "You can ask why, where, what kind, how large, how far apart, how many, which rule decided, "
    "how sure and how near this is, what it was compared with, what was done, what comes next, "
    "what the knowledge file says of a defect, or for a closer look at a place."
)
NOTHING = "Nothing in the evidence says that."
# Asked of a kind of defect, these are about the kind and not about the part.
_OF_KINDS = frozenset({"background", "kind", "severity", "rule", "normal"})
# And these are about the part all the same.
_OF_THE_PART = OF_VERDICT | {"why", "where", "count"}


def tell(asked: Asked, known: Known, about: Sequence[str] = (), looks: int = 0) -> Told:
    """Answer a question.

    Args:
        asked: The question.
        known: What is known.
        about: Ids of the regions that the conversation was about before.
        looks: How many of the last of ``known.looks`` were taken for this question.
    """
    # Who wrote a question into the file wants it answered so.
    if not looks and (told := answered(asked.text, known)).sentences:
        return told
    regions = _regions(asked, known, about)
    told_of = [_looked(known, looks)] if looks else []
    missing = None if looks else _missing(asked, known)
    if missing is not None:
        told_of.append(missing)
    else:
        # A closer look answers what asked for it.
        topics = [t for t in asked.topics if not looks or t in OF_VERDICT]
        if looks:
            asked = replace(asked, rank=None, place="")
        told_of += _by_topics(replace(asked, topics=tuple(topics)), known, regions)
    if not any(part.sentences for part in told_of):
        told_of = [from_knowledge(asked.text, known)]
    if not any(part.sentences for part in told_of):
        told_of = [Told((NOTHING, HELP))]
    return _joined(told_of)


def _by_topics(asked: Asked, known: Known, regions: Sequence[Region]) -> list[Told]:
    """What there is on each topic; of a kind that is named, what the knowledge file says."""
    told = [ranking(asked.rank, _ranked(asked, known), known)] if asked.rank else []
    if checks := clauses_named(asked.text, known):
        return [*told, checks]
    topics = set(asked.topics)
    if kinds := kinds_named(asked.text, known):
        if asked.whether and topics <= {"kind", "verdict", "count"}:
            return [*told, whether(known, regions, kinds)]
        if _OF_KINDS & topics:
            others = [t for t in asked.topics if t in _OF_THE_PART]
            told += [from_knowledge(asked.text, known)]
            return [*told, *(_on(t, asked, known, regions) for t in others)]
    elif asked.whether and topics <= {"kind", "count"} and (words := kind_words(asked.text)):
        told_of = kinds_in_short if known.knowledge else kind
        return [*told, no_kinds(words, known), told_of(known, regions)]
    return [*told, *(_on(topic, asked, known, regions) for topic in asked.topics)]


def _on(topic: Topic, asked: Asked, known: Known, regions: Sequence[Region]) -> Told:
    """What there is on a topic; of the verdict in short where more would drown the point."""
    if topic != "verdict" or not (asked.place or asked.in_short):
        return _TOPICS[topic](known, regions)
    ends = next_step(known, ())
    return _joined([_there(asked.place, known), ends]) if asked.place else ends


def _there(place: str, known: Known) -> Told:
    """What stands out at a place."""
    regions = regions_at(place, known.inspection.regions, known.inspection.size_HW)
    ids = tuple(region.id for region in regions)
    found = named(regions) or (f"Nothing stands out {at_place(place)}.",)
    return Told(found, ("anomaly", *ids), ids)


def _summary(known: Known, regions: Sequence[Region]) -> Told:
    """The verdict, its reason, and what stands out."""
    told = [verdict(known, regions)]
    return _joined([*told, count(known, regions)] if known.inspection.regions else told)


def _ranked(asked: Asked, known: Known) -> Sequence[Region]:
    """The regions that are put in order: those that are compared, or all."""
    regions = known.inspection.regions
    named = [r for r in regions if region_number(r) in asked.numbers]
    return named if len(named) > 1 else regions


def _joined(told: Sequence[Told]) -> Told:
    """All of it, each sentence once."""
    return Told(
        tuple(dict.fromkeys(s for part in told for s in part.sentences if s)),
        tuple(dict.fromkeys(i for part in told for i in part.evidence_ids)),
        tuple(dict.fromkeys(i for part in told for i in part.about)),
    )


def _regions(asked: Asked, known: Known, about: Sequence[str]) -> tuple[Region, ...]:
    """The regions that a question is about: those it names, those before, or all."""
    regions = known.inspection.regions
    if asked.numbers:
        return tuple(r for r in regions if region_number(r) in asked.numbers)
    if asked.place:
        return regions_at(asked.place, regions, known.inspection.size_HW) or regions
    named = tuple(r for r in regions if r.id in about)
    return named if asked.follows and named else regions


def _missing(asked: Asked, known: Known) -> Told | None:
    """What is said of a region or a place that is asked about and is not there."""
    regions = known.inspection.regions
    lacking = [n for n in asked.numbers if not any(region_number(r) == n for r in regions)]
    if lacking:
        if not regions:
            return Told((f"There is no region-{lacking[0]}.", NO_PLACE), ("anomaly",))
        ids = ", ".join(r.id for r in regions)
        return Told((f"There is no region-{lacking[0]}; the regions are: {ids}.",))
    placed = {"where", "size", "kind"} & set(asked.topics)
    there = _there(asked.place, known) if asked.place and placed else None
    if there is not None and not there.about:
        about = tuple(r.id for r in regions)
        return Told((*there.sentences, *named(regions)), ("anomaly", *about), about)
    return None


def _looked(known: Known, looks: int) -> Told:
    """What closer looks found."""
    taken = known.looks[-looks:]
    ids = [i for look in taken for i in (look.id, *look.evidence_ids)]
    about = tuple(look.target for look in taken if known.region(look.target))
    said = [known.looked_up(look) for look in taken]
    if known.knowledge and any(look.tool == "lookup" for look in taken) and said != [NOT_THERE]:
        said.append(in_general(known))
    return Told(tuple(said), tuple(ids), about)


_TOPICS: Mapping[Topic, Callable[[Known, Sequence[Region]], Told]] = {
    "verdict": verdict,
    "summary": _summary,
    "why": why,
    "margin": margin,
    "where": where,
    "kind": kind,
    "same": same,
    "severity": severity,
    "size": size,
    "apart": apart,
    "edge": edge,
    "centre": centre,
    "share": share,
    "scale": scale,
    "image": image,
    "count": count,
    "rule": rule,
    "score": score,
    "certainty": certainty,
    "odds": odds,
    "reference": reference,
    "twin": twin,
    "learned": learned,
    "steps": steps,
    "time": time,
    "origin": origin,
    "next": next_step,
    "resolve": resolve,
    "background": background,
    "healed": healed,
    "opinion": opinion,
    "normal": normal,
    "thanks": thanks,
}
