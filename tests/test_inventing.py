"""Invented worlds: what they hold, how often, and what of the judged lines they never say."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import knowledge
from echo.training.asking import lesson
from echo.training.inventing import invent
from echo.training.inventing_cards import TAKEN, no_kind
from echo.training.wordings import phrases
from experts.answers import Known
from experts.answers.words import stems
from experts.claims import check
from experts.knowledge import load_knowledge
from experts.sheet import NOT_KNOWN, sheet

WORLDS = 300
JUDGED = ("tile", "magnetic_tile", "printed_circuit_board", "solar_cell", "textile")
FILES = sorted(Path(knowledge.__file__).parent.glob("*.yaml"))


def worlds(count: int, seed: int = 0) -> list[Known]:
    return [invent(np.random.default_rng([seed, number])) for number in range(count)]


@pytest.fixture(scope="module")
def invented() -> list[Known]:
    return worlds(WORLDS)


def test_same_seed_same_world() -> None:
    one, other = worlds(5, seed=3), worlds(5, seed=3)
    assert [k.inspection.model_dump_json() for k in one] == [
        k.inspection.model_dump_json() for k in other
    ]
    assert list(map(sheet, one)) == list(map(sheet, other))
    assert sheet(one[0]) != sheet(worlds(1, seed=4)[0])


def test_verdicts_come_as_often_as_planned(invented: list[Known]) -> None:
    shares = Counter(known.inspection.verdict for known in invented)
    assert 0.45 <= shares["reject"] / WORLDS <= 0.65
    assert 0.17 <= shares["accept"] / WORLDS <= 0.33
    assert 0.13 <= shares["review"] / WORLDS <= 0.27


def test_each_verdict_comes_in_all_its_ways(invented: list[Known]) -> None:
    ways: Counter[str] = Counter()
    for known in invented:
        inspection, decision = known.inspection, known.inspection.decision
        regions = inspection.regions
        ways["accept flawless"] += decision.verdict == "accept" and not regions
        ways["accept tolerated"] += decision.verdict == "accept" and bool(regions)
        ways["reject by rule"] += decision.verdict == "reject" and bool(decision.deciding_clause)
        ways["reject unruled"] += "no clause allows" in decision.reason
        ways["no file"] += known.knowledge is None
        ways["review by rule"] += decision.verdict == "review" and bool(decision.deciding_clause)
        ways["too few"] += "cannot promise" in decision.reason
        ways["contested"] += "two sides differ" in decision.reason
        ways["no view"] += "which view it shows" in decision.reason
        ways["no place"] += "no single place" in decision.reason
        ways["twin"] += "which else shows the same" in decision.reason
        for region in regions:
            kinds = region.kinds
            ways[f"kinds {'-' if kinds is None else len(kinds.names)}"] += 1
    assert min(ways.values()) > 0, ways
    assert {f"kinds {n}" for n in ("-", 0, 1, 2)} <= ways.keys()


def test_places_agree_with_the_map(invented: list[Known]) -> None:
    for known in invented:
        anomaly, regions = known.inspection.anomaly, known.inspection.regions
        peak = float(anomaly.patch_scores_HW.max())
        assert all(region.peak_score > anomaly.limit for region in regions)
        if regions:
            assert peak == pytest.approx(regions[0].peak_score, rel=1e-5)
        else:
            assert peak < anomaly.limit


def test_claims_of_the_sheet_on_the_part_hold(invented: list[Known]) -> None:
    held = 0
    for known in invented:
        for line in sheet(known).splitlines():
            if re.match(r"The verdict on|\d+ places? stands? out|region-\d+ (is|may be) ", line):
                for said in check(line, known.facts).sentences:
                    assert said.outcome in ("right", "none"), (said, sheet(known))
                    held += said.outcome == "right"
    assert held > 2 * WORLDS


def test_nearly_all_texts_of_the_files_may_be_said(invented: list[Known]) -> None:
    texts = [
        (known, text)
        for known in invented
        if known.knowledge is not None
        for defect in known.knowledge.file.defects
        for text in (defect.appearance, defect.cause, defect.effect)
        if text
    ]
    kept = sum(known.quoted(text) == text for known, text in texts)
    assert kept / len(texts) > 0.98


def test_texts_hardly_repeat(invented: list[Known]) -> None:
    for field in ("appearance", "cause", "effect"):
        said = Counter(
            getattr(defect, field)
            for known in invented
            if known.knowledge is not None
            for defect in known.knowledge.file.defects
            if getattr(defect, field)
        )
        assert len(said) / said.total() > 0.9


def test_judged_products_are_never_named(invented: list[Known]) -> None:
    judged = [load_knowledge(f).file for f in FILES if f.stem in JUDGED]
    names = {n for f in judged for n in (f.product, f.part, f.parts, *f.aliases)}
    words = re.compile(rf"\b({'|'.join(map(re.escape, names))}|fabric|solar)\b", re.I)
    for known in invented:
        assert not words.search(sheet(known)), sheet(known)


def test_no_product_and_no_judged_kind_of_defect_is_invented(invented: list[Known]) -> None:
    files = {file.stem: load_knowledge(file).file for file in FILES}
    products = {n for f in files.values() for n in (f.product, f.part, *f.aliases)}
    kinds = {n for s in JUDGED for d in files[s].defects for n in (d.name, *d.synonyms)}
    for known in invented:
        if known.knowledge is not None:
            file = known.knowledge.file
            assert not products & {file.product, file.part, *file.aliases}
            assert not kinds & {n for d in file.defects for n in (d.name, *d.synonyms)}


def test_unknown_kinds_are_named_like_known_ones_and_are_none_of_them() -> None:
    known = ["dent", "vorlim ring", "loose strand"]
    rng = np.random.default_rng(0)
    names = [no_kind(rng, known) for _ in range(400)]
    assert not set(names) & {*known, *TAKEN}
    for name in names:
        assert not any(stems(k) <= stems(name) or stems(name) <= stems(k) for k in known), name
    # Words of every day, words nobody uses, and names that begin like known ones.
    assert {"scratch", "bent", "missing"} & set(names)
    assert any(name.startswith("vorlim ") for name in names)
    assert len(set(names)) > 300


def test_nothing_is_known_of_kinds_that_the_file_does_not_have_and_of_no_others() -> None:
    asked: Counter[bool] = Counter()
    for number, known in enumerate(worlds(40)):
        if (file := known.knowledge.file if known.knowledge else None) is None:
            continue
        # Of some kinds the file does not say where they come from.
        names = {n.casefold() for d in file.defects for n in (d.name, *d.synonyms)}
        made = lesson(known, "invented", 60, np.random.default_rng(number), phrases("dev"))
        for ask in made.asks:
            if ask.about in ("cause_of", "effect_of", "severity_of", "appearance_of"):
                question = ask.question.casefold()
                named = any(re.search(rf"\b{re.escape(name)}\b", question) for name in names)
                assert named is not (ask.answer == NOT_KNOWN), ask
                asked[named] += 1
    assert min(asked.values()) > 20, asked


def test_of_a_kind_that_the_file_does_not_have_is_said_what_it_is_instead() -> None:
    said: Counter[str] = Counter()
    for number, known in enumerate(worlds(90)):
        if known.knowledge is None:
            continue
        names = [n for d in known.knowledge.file.defects for n in (d.name, *d.synonyms)]
        made = lesson(known, "invented", 80, np.random.default_rng(number), phrases("dev"))
        for ask in made.asks:
            if ask.about == "is_kind" and not any(name in ask.question for name in names):
                regions = known.inspection.regions
                sure = all(r.kinds and r.kinds.names for r in regions)
                is_open = not sure or (not regions and known.inspection.verdict != "accept")
                assert (ask.answer == NOT_KNOWN) is is_open, ask
                said[ask.answer[:6] if not regions else "region"] += 1
    assert said["Nothin"] > 1, said
    assert said["region"] > 9, said
