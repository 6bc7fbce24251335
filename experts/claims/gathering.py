"""Gathers the facts of an inspection."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from experts.claims.facts import (
    Facts,
    KindWords,
    LimitFacts,
    PlaceFacts,
    Source,
    Values,
    Words,
    quote_key,
    words_of,
)
from experts.claims.text import sentences
from experts.decoder.conformal import images_needed, smallest_p_value
from experts.evidence import Clause, ClauseCheck, Inspection, Region
from experts.knowledge import KnowledgeFile

_PARTS = (
    "part",
    "piece",
    "item",
    "product",
    "unit",
    "component",
    "sample",
    "specimen",
    "workpiece",
)
# What a thing is called ends here: "a thin line that runs along the edge".
_THING_ENDS = re.compile(
    r"[,;:.(]|\b(?:that|which|with|without|of|at|in|on|near|from|to|along|across|where|is|are|runs)\b"
)
_PARTS_TOO = ("object", "article", "image", "photo", "teil", "bauteil", "werkstuck", "produkt")


def gather(
    inspection: Inspection,
    knowledge: KnowledgeFile | None,
    clauses: Sequence[Clause],
    alpha: float | None,
) -> Facts:
    """See ``Facts.of``."""
    alpha = knowledge.alpha if alpha is None and knowledge is not None else alpha
    names = _names_of_kinds(inspection, knowledge, clauses)
    parts = (knowledge.part, knowledge.product, *knowledge.aliases) if knowledge else ()
    many = (knowledge.parts,) if knowledge else ()
    places = tuple(_place(region, inspection, names) for region in inspection.regions)
    quotes, told = _quotes(inspection, knowledge), _told(knowledge)
    return Facts(
        verdict=inspection.verdict,
        suspicious=inspection.verdict != "accept" or bool(inspection.regions),
        places=places,
        crowded=any(check.or_more for check in inspection.clause_checks),
        defects=len(inspection.decision.defects),
        limits=_limits(inspection.clause_checks, clauses, names),
        kinds=names,
        normal_words=_normal_words(knowledge),
        part_words=frozenset((*_PARTS, *_PARTS_TOO, *(w for p in parts for w in words_of(p)[-1:]))),
        parts_words=frozenset(
            (
                "images",
                "ones",
                "photos",
                *(f"{p}s" for p in _PARTS),
                *(w for p in many for w in words_of(p)),
            )
        ),
        numbers=_numbers(inspection, alpha),
        mm_per_px=_scale(inspection),
        names=_file_names(inspection),
        opinion=dict(
            zip(inspection.opinion.candidates, inspection.opinion.probabilities, strict=True)
        )
        if inspection.opinion
        else {},
        quotes=quotes,
        words=_words(knowledge),
        told=told,
        seen=_seen(quotes, (told[k] for p in places for k in p.kinds if k in told)),
        healed=inspection.cause,
    )


def _words(knowledge: KnowledgeFile | None) -> frozenset[str]:
    """All words with which the knowledge file tells of the product and its defects."""
    if knowledge is None:
        return frozenset()
    names = (knowledge.product, knowledge.part, *knowledge.aliases)
    kinds = (name for d in knowledge.defects for name in (d.name, *d.synonyms))
    return frozenset(w for t in (*_texts_of(knowledge), *names, *kinds) for w in words_of(t))


def _told(knowledge: KnowledgeFile | None) -> dict[str, KindWords]:
    return {
        defect.name: KindWords(
            words_of(defect.appearance),
            words_of(_THING_ENDS.split(defect.appearance)[0]),
            words_of(defect.cause or ""),
            words_of(defect.effect or ""),
        )
        for defect in (knowledge.defects if knowledge else ())
    }


def _seen(quotes: Mapping[str, Source], told: Iterable[KindWords]) -> frozenset[str]:
    """Words of the evidence, and of what the kinds that the places may be look like."""
    found = {word for key, by in quotes.items() if by == "evidence" for word in words_of(key)}
    return frozenset(found.union(*(kind.thing for kind in told)))


def _scale(inspection: Inspection) -> float | None:
    for region in inspection.regions:
        if region.length_mm is not None and region.length_px:
            return region.length_mm / region.length_px
    return inspection.sight.mm_per_px


def _names_of_kinds(
    inspection: Inspection, knowledge: KnowledgeFile | None, clauses: Sequence[Clause]
) -> dict[Words, str]:
    """All names of kinds, those of the knowledge file last, so that these count."""
    of_clauses = (*clauses, *(check.clause for check in inspection.clause_checks))
    names = [c.defect for c in of_clauses if c.defect]
    names += [k for region in inspection.regions if region.kinds for k in region.kinds.p_values]
    names += [k for region in inspection.regions if region.kinds for k in region.kinds.names]
    names += [name for defect in inspection.decision.defects for name in defect.candidates]
    found = {words_of(name): name for name in names}
    for defect in knowledge.defects if knowledge else []:
        found |= {words_of(name): defect.name for name in (*defect.synonyms, defect.name)}
    found.pop((), None)
    return found


def _place(region: Region, inspection: Inspection, names: Mapping[Words, str]) -> PlaceFacts:
    height, width = inspection.size_HW
    left, top, right, bottom = region.box_xyxy
    told = region.kinds is not None
    said = next(
        (d.candidates for d in inspection.decision.defects if d.region_id == region.id), None
    )
    if region.kinds is not None and region.kinds.names:
        said = region.kinds.names
    if said is None:
        checks = (c for c in inspection.clause_checks if region.id in c.region_ids)
        said = tuple(c.clause.defect for c in checks if c.clause.defect)
    unknown = region.kinds is not None and region.kinds.unknown
    kinds = () if unknown else dict.fromkeys(names.get(words_of(name), name) for name in said)
    traits = region.traits
    return PlaceFacts(
        id=region.id,
        place=region.place,
        centre_xy=((left + right) / 2 / width, (top + bottom) / 2 / height),
        tones=_tones(region),
        forms=_forms(region),
        looks=region.looks,
        at_edge=traits.situation == "at the edge" if traits else None,
        compared_with=frozenset(
            {"surroundings", traits.compared_with} if traits else ("surroundings",)
        ),
        kinds=tuple(kinds),
        unknown=unknown and told,
        lengths_px=_lengths(region),
        area_px=float(region.area_px),
        area_share=region.area_px / (height * width),
        numbers=_numbers_of(region, inspection),
    )


def _tones(region: Region) -> frozenset[str]:
    tone = region.looks.split()[0]
    by_reference = {"darker than": "dark", "brighter than": "bright"}
    if tone == "odd" and region.traits and region.traits.tone in by_reference:
        return frozenset({"odd", by_reference[region.traits.tone]})
    return frozenset({tone})


def _forms(region: Region) -> frozenset[str]:
    form = region.looks.split()[-1]
    forms = {form, "elongated"} if form == "line" else {form}
    if region.traits:
        forms |= {region.traits.form, region.traits.outline}
    return frozenset(forms)


def _lengths(region: Region) -> dict[str, Values]:
    left, top, right, bottom = region.box_xyxy
    traits = region.traits
    along = (region.skeleton_length_px,) if region.skeleton_length_px is not None else ()
    across = (region.mean_width_px, region.max_width_px)
    return {
        "length": (region.length_px, *along),
        "width": (region.width_px, *(value for value in across if value is not None)),
        "diameter": (math.sqrt(4 * region.area_px / math.pi), region.length_px),
        "box": (right - left, bottom - top),
        "corner": (left, top, right, bottom),
        "edge": (traits.edge_distance_px,) if traits else (),
    }


def _numbers_of(region: Region, inspection: Inspection) -> dict[str, Values]:
    traits, kinds, limit = region.traits, region.kinds, inspection.anomaly.limit
    ratio = region.peak_score / limit if limit and math.isfinite(limit) else math.nan
    return {
        "times": (ratio, *((traits.elongation,) if traits else ())),
        "peak": (region.peak_score, ratio),
        "grey": (region.contrast, *((traits.difference,) if traits else ())),
        "elongation": (traits.elongation,) if traits else (),
        "probability": tuple(kinds.probabilities.values()) if kinds else (),
        "coverage": (kinds.coverage,) if kinds else (),
        "p": tuple(kinds.p_values.values()) if kinds else (),
        "area": (region.area_px / (inspection.size_HW[0] * inspection.size_HW[1]),),
    }


def _limits(
    checks: Sequence[ClauseCheck], clauses: Sequence[Clause], names: Mapping[Words, str]
) -> tuple[LimitFacts, ...]:
    computed = {check.clause.id: check for check in checks}
    others = (c for c in clauses if c.id not in computed)
    return tuple(
        LimitFacts(
            id=clause.id,
            defect=names.get(words_of(clause.defect), clause.defect) if clause.defect else None,
            quantity=clause.quantity,
            limit=clause.limit,
            unit=clause.unit,
            power=2 if "area" in clause.quantity and clause.unit != "%" else 1,
            measured=check.measured if check else None,
            within=check.within if check else None,
            place_ids=check.region_ids if check else (),
        )
        for clause, check in (
            *((check.clause, check) for check in checks),
            *((clause, None) for clause in others),
        )
    )


def _numbers(inspection: Inspection, alpha: float | None) -> dict[str, Values]:
    anomaly, opinion, twin = inspection.anomaly, inspection.opinion, inspection.anomaly.twin
    n = anomaly.calibration_size
    above = round(anomaly.p_value * (n + 1)) - 1
    others = above - anomaly.differing
    height, width = inspection.size_HW
    return {
        "score": (anomaly.score, anomaly.score_alone, *(c.score for c in anomaly.channels)),
        "p": (anomaly.p_value,),
        "alpha": (*((alpha,) if alpha is not None else ()), smallest_p_value(n)),
        "similarity": tuple(r.similarity for r in inspection.references),
        "confidence": (inspection.decision.confidence,),
        "compared": (n,),
        "above": tuple(float(v) for v in (others, above, anomaly.differing) if v > 0),
        "enrol": (images_needed(alpha),) if alpha is not None else (),
        "size": (width, height),
        "grey": (twin.difference, twin.limit) if twin else (),
        "area": (twin.area,) if twin else (),
        "opinion": opinion.probabilities if opinion else (),
        "scale": (inspection.sight.mm_per_px,) if inspection.sight.mm_per_px else (),
        "line": tuple(check.clause.line for check in inspection.clause_checks),
    }


def _file_names(inspection: Inspection) -> tuple[str, ...]:
    anomaly, versions = inspection.anomaly, inspection.versions
    paths = [r.path for r in inspection.references]
    paths += [anomaly.twin.path] if anomaly.twin else []
    names = [inspection.image, anomaly.encoder, versions.encoder, versions.echo]
    names += [name for path in paths for name in (path.name, str(path))]
    names += [check.clause.source for check in inspection.clause_checks]
    names += [r.id for r in inspection.references]
    if inspection.opinion:
        names += [inspection.opinion.model, inspection.opinion.revision]
    return tuple(dict.fromkeys(name for name in names if name))


def _normal_words(knowledge: KnowledgeFile | None) -> frozenset[str]:
    if knowledge is None:
        return frozenset()
    texts = (knowledge.normal, knowledge.product, *(v.normal or "" for v in knowledge.views))
    return frozenset(word for text in texts for word in words_of(text))


def _quotes(inspection: Inspection, knowledge: KnowledgeFile | None) -> dict[str, Source]:
    quotes: dict[str, Source] = {}
    for text in _texts_of(knowledge):
        quotes |= dict.fromkeys(_keys(text), "knowledge")
    # What was looked up is the knowledge file again, and what a model said proves nothing.
    looked_up = {look.id for look in inspection.looks if look.tool == "lookup"}
    for look in inspection.looks:
        if look.id in looked_up:
            quotes |= dict.fromkeys(_keys(look.found), "knowledge")
    computed = [s for s in inspection.steps if s.by is None or s.evidence_ids == ("opinion",)]
    found = [step.found for step in computed if not looked_up & set(step.evidence_ids)]
    for text in (inspection.decision.reason, *found):
        quotes |= {key: "evidence" for key in _keys(text) if key not in quotes}
    return quotes


def _keys(text: str) -> Iterator[str]:
    return (quote_key(text[span.start : span.end]) for span in sentences(text))


def _texts_of(knowledge: KnowledgeFile | None) -> Iterator[str]:
    if knowledge is None:
        return
    yield knowledge.normal
    for view in knowledge.views:
        if view.normal:
            yield from (view.normal, f"From {view.name}: {view.normal}")
    for defect in knowledge.defects:
        yield from (t for t in (defect.appearance, defect.cause, defect.effect) if t)
        yield from (rule.note for rule in defect.clauses if rule.note)
    yield from (rule.note for rule in knowledge.clauses if rule.note)
    for question in knowledge.questions:
        yield question.answer
