"""The graph with a language model: its routes, its closer looks, and what failures leave."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from echo import EchoError, Failure, Inspection, Inspector, ProductLine
from echo.graph import MAX_STEPS, build_graph
from echo.team import Experts
from experts.album import Seen
from experts.decoder.regions import MAX_REGIONS
from experts.errors import InspectionError, MLLMUnavailableError
from experts.images import read_picture
from experts.knowledge import Excerpt
from experts.mllm import ScriptedMLLM
from experts.mllm.local import load
from experts.mllm.prompts import prompts
from experts.thinking import MAX_LOOKS, Thinking
from experts.tools.scene import Scene
from tests.conftest import bad_part, good_part
from tests.thinkers import failing_at, thinker
from tests.tiny_models import build

EVIDENCE = ["read", "encode", "reference", "decode", "knowledge", "reason"]


@pytest.fixture(scope="module")
def line(strict_home: Path) -> ProductLine:
    return ProductLine.load("washer", home=strict_home)


def inspect(line: ProductLine, model: Any, *, causes: bool = False, seed: int = 9) -> Inspection:
    return Inspector(line, keep=False, mllm=model, causes=causes).inspect(bad_part(seed))


def by_evidence(inspection: Inspection) -> str:
    """What code found, without what a language model adds."""
    steps = tuple(
        s for s in inspection.steps if s.by is None and not s.evidence_ids[0].startswith("look-")
    )
    decision = inspection.decision
    closing = steps[-1].model_copy(
        update={"evidence_ids": tuple(i for i in steps[-1].evidence_ids if i != "opinion")}
    )
    plain = inspection.model_copy(
        update={
            "steps": (*steps[:-1], closing),
            "decision": decision,
            "opinion": None,
            "explanation": None,
            "looks": (),
            "faults": (),
        }
    )
    return plain.model_dump_json(exclude={"timings_ms"})


@pytest.mark.parametrize(
    ("model", "causes", "nodes"),
    [
        ("none", False, ["decide"]),
        ("none", True, ["cause", "decide"]),
        (thinker(), False, ["cause", "think", "mllm", "decide", "explain"]),
        (
            thinker({"tool": "measure", "target": "region-1"}),
            True,
            ["cause", "think", "mllm", "look", "decide", "explain"],
        ),
    ],
)
def test_routes_of_an_unusual_image(
    line: ProductLine, model: Any, causes: bool, nodes: list[str]
) -> None:
    assert list(inspect(line, model, causes=causes).timings_ms) == [*EVIDENCE, *nodes]


def test_a_normal_image_asks_for_no_thought(line: ProductLine) -> None:
    model = thinker()
    inspection = Inspector(line, keep=False, mllm=model, causes=True).inspect(good_part(1))
    assert (inspection.verdict, inspection.opinion, model.asked) == ("accept", None, [])
    assert list(inspection.timings_ms) == [*EVIDENCE[:4], "decide"]


def test_the_stages_come_in_order(line: ProductLine) -> None:
    model = thinker()
    places = len(inspect(line, model).regions)
    # Behind a question that wants an object stands its schema.
    questions = [
        [part for part in texts_of(messages[-1:]) if "JSON Schema" not in part][-1]
        for messages, _ in model.asked
    ]
    texts = prompts().thinking
    begins = [
        text.partition("{")[0]
        for text in (
            texts.observe,
            texts.compare,
            *[texts.examine] * places,
            texts.wish,
            texts.clauses,
            prompts().opinion.question,
            prompts().explain.question,
        )
    ]
    assert len(questions) == len(begins)
    for question, begin in zip(questions, begins, strict=True):
        assert question.startswith(begin)
    assert "region-1" in questions[2]
    assert "clause pit.size (" in questions[-3]
    assert "not within the limit" in questions[-3]


def test_it_sees_images_and_not_only_text(line: ProductLine) -> None:
    model = thinker()
    inspection = inspect(line, model)
    messages, _ = model.asked[0]
    images = [part for part in messages[1].content if isinstance(part, Image.Image)]
    texts = [part for part in messages[1].content if isinstance(part, str)]
    # A good part, the photo, the map, and each place beside the same place of the good part.
    assert len(images) == 3 + len(inspection.regions)
    good, photo, heat, pair, *_ = (image.convert("RGB") for image in images)
    assert photo.size == (96, 96)
    assert darkest(good) > 40 > darkest(photo)
    assert np.asarray(heat.convert("HSV").getchannel("S")).max() > 100
    left = pair.crop((0, 0, pair.width // 2 - 4, pair.height))
    right = pair.crop((pair.width // 2 + 4, 0, pair.width, pair.height))
    assert left.size == right.size
    assert darkest(left) < 40 < darkest(right)
    assert texts[0] == "What is normal: Upright stripes."
    measured = next(text for text in texts if text.startswith("Measured:"))
    assert inspection.steps[0].found in measured
    # Later stages see the same, and what was said before.
    later, _ = model.asked[2]
    assert later[1].content[: len(images)] == messages[1].content[: len(images)]
    assert [message.role for message in later] == ["system", "user"] + ["assistant", "user"] * 2


def darkest(image: Image.Image) -> int:
    return int(np.asarray(image.convert("L")).min())


TOOLS: tuple[Mapping[str, Any], ...] = (
    {"tool": "zoom", "target": "region-1"},
    {"tool": "zoom", "target": "top left"},
    {"tool": "compare", "target": "region-1", "k": 2},
    {"tool": "measure", "target": "region-1"},
    {"tool": "lookup", "target": "what does a pit do?"},
    {"tool": "measure", "target": "region-99"},
)


@pytest.mark.parametrize("wish", TOOLS, ids=lambda wish: f"{wish['tool']} {wish['target']}")
def test_each_closer_look_is_evidence(line: ProductLine, wish: Mapping[str, Any]) -> None:
    model = thinker(wish)
    inspection = inspect(line, model)
    (look,) = inspection.looks
    assert (look.id, look.tool) == ("look-1", wish["tool"])
    assert look.found
    step = next(step for step in inspection.steps if "look-1" in step.evidence_ids)
    assert (step.found, step.by) == (look.found, None)
    # The model hears what came of it before it goes on.
    heard = [m for m, _ in model.asked if any(look.found in text for text in texts_of(m))]
    assert len(heard) >= 3
    assert inspection.faults == ()
    assert by_evidence(inspection) == by_evidence(inspect(line, "none", causes=True))


def texts_of(messages: Any) -> list[str]:
    return [part for m in messages for part in m.content if isinstance(part, str)]


TAKEN_BACK = (
    "Nobody needs to look at it. The washer shows only upright stripes. The detector was fooled by "
    "the light. Echo is too strict here. Both images are identical."
)


def test_nothing_that_a_model_says_takes_a_rejection_back(line: ProductLine) -> None:
    inspection = inspect(line, thinker(words=TAKEN_BACK))
    explanation = inspection.explanation
    assert explanation is not None
    assert (explanation.text, explanation.faithfulness) == ("", 0.0)
    assert len(explanation.sentences) > 5
    assert all(said.outcome == "dropped" for said in explanation.sentences)
    by_model = [s.found for s in inspection.steps if s.by and s.evidence_ids != ("opinion",)]
    assert by_model == []


def test_words_that_claim_nothing_are_not_called_faithful(line: ProductLine) -> None:
    good = "The knowledge file says that a good washer has upright stripes."
    explanation = inspect(line, thinker(words=good)).explanation
    assert explanation is not None
    assert explanation.text == good
    assert explanation.faithfulness is None


def test_the_loop_is_bounded(line: ProductLine) -> None:
    model = thinker(*itertools.repeat({"tool": "measure", "target": "region-1"}, 50))
    inspection = inspect(line, model)
    assert [look.id for look in inspection.looks] == [f"look-{n + 1}" for n in range(MAX_LOOKS)]
    assert inspection.opinion is not None


def test_who_cannot_ask_for_a_look_may_still_conclude(line: ProductLine) -> None:
    model = thinker({"tool": "hammer"}, {"tool": "hammer"}, {"tool": "hammer"})
    inspection = inspect(line, model)
    assert (inspection.looks, inspection.faults) == ((), ())
    assert inspection.opinion is not None


@pytest.mark.parametrize(
    "error", [MLLMUnavailableError("the cluster is gone"), KeyError("attention")], ids=type
)
def test_wherever_a_model_fails_the_evidence_stands(line: ProductLine, error: Exception) -> None:
    plain = inspect(line, "none", causes=True)
    whole = thinker({"tool": "measure", "target": "region-1"})
    inspect(line, whole)
    for number in range(len(whole.asked)):
        model = thinker({"tool": "measure", "target": "region-1"})
        inspection = inspect(line, failing_at(number, error, model))
        assert by_evidence(inspection) == by_evidence(plain), number
        (fault,) = inspection.faults
        assert fault.startswith("without language model: ")
        assert str(error) in fault
        assert inspection.explanation is None
        # What was concluded before it failed stays.
        assert (inspection.opinion is not None) == (number == len(whole.asked) - 1)


class _Fails:
    """Stands where an expert should, and fails at whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(f"no {name}")


FAILS: Any = _Fails()


def failing_expert(line: ProductLine, model: Any = "none", **experts: Any) -> Inspector:
    inspector = Inspector(line, keep=False, mllm=model)
    broken: Experts = replace(inspector._experts, **experts)
    inspector._experts, inspector._graph = broken, build_graph(broken)
    return inspector


def test_without_references_an_inspection_goes_on(line: ProductLine) -> None:
    equipment = replace(Inspector(line)._experts.equipment, extractor=FAILS)
    inspection = failing_expert(line, equipment=equipment).inspect(bad_part(9))
    assert (inspection.verdict, inspection.references) == ("reject", ())
    assert inspection.faults == ("without reference: ZeroDivisionError: no retrieve",)


def test_without_rules_a_person_decides(line: ProductLine) -> None:
    inspection = failing_expert(line, guide=Unruly(line)).inspect(bad_part(9))
    assert (inspection.verdict, inspection.clause_checks) == ("review", ())
    assert "the rules cannot be applied: ZeroDivisionError: no rules" in inspection.decision.reason


class Unruly:
    """A guide that finds its sight, and then fails."""

    def __init__(self, line: ProductLine) -> None:
        self._guide = Inspector(line)._experts.guide

    def sight(self, *arguments: Any) -> Any:
        assert self._guide is not None
        return self._guide.sight(*arguments)

    def check(self, *_: Any) -> Any:
        raise ZeroDivisionError("no rules")


def test_without_reasons_the_verdict_stands(line: ProductLine) -> None:
    inspection = failing_expert(line, reasoner=FAILS).inspect(bad_part(9))
    assert inspection.verdict == "reject"
    assert [step.looked_at for step in inspection.steps] == ["all evidence"]
    assert inspection.faults == ("without reason: ZeroDivisionError: no reason",)


def test_without_a_tool_the_model_goes_on(line: ProductLine) -> None:
    model = thinker({"tool": "compare", "target": "region-1"})
    equipment = replace(Inspector(line)._experts.equipment, photo=FAILS)
    inspection = failing_expert(line, model, equipment=equipment).inspect(bad_part(9))
    assert inspection.looks == ()
    causeless, toolless = inspection.faults
    assert causeless.startswith("without cause: TypeError: ")
    assert toolless.startswith("without compare: TypeError: ")
    assert inspection.opinion is not None
    assert inspection.explanation is not None


@pytest.mark.parametrize("expert", ["decode", "decide"])
def test_without_a_map_or_a_decision_there_is_no_verdict(line: ProductLine, expert: str) -> None:
    equipment = replace(Inspector(line)._experts.equipment, decoder=FAILS)
    broken: dict[str, Any] = {"decode": {"equipment": equipment}, "decide": {"maker": FAILS}}[
        expert
    ]
    inspector = failing_expert(line, **broken)
    with pytest.raises(InspectionError, match=f"array: could not be inspected, since {expert} "):
        inspector.inspect(bad_part(9))
    (failure,) = inspector.inspect_many([bad_part(9)])
    assert isinstance(failure, Failure)
    assert issubclass(InspectionError, EchoError)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "smolvlm", "gemma3"])
def test_a_random_model_goes_all_the_way(line: ProductLine, family: str, tmp_path: Path) -> None:
    folder = build(family, tmp_path / "model")
    # In 4 bits a processor takes minutes for so many words.
    model = load(folder, name=family, revision="random", precision="bf16")
    inspection = inspect(line, model)
    plain = inspect(line, "none", causes=True)
    assert inspection.faults == ()
    assert inspection.decision == plain.decision
    assert by_evidence(inspection) == by_evidence(plain)
    assert inspection.opinion is not None
    assert inspection.explanation is not None


def test_a_script_that_ends_is_a_fault(line: ProductLine) -> None:
    (fault,) = inspect(line, ScriptedMLLM([])).faults
    assert fault == "without language model: scripted: its script has ended; give it more lines"


def test_each_place_is_shown_and_examined(line: ProductLine) -> None:
    experts = Inspector(line, keep=False)._experts
    inspection = inspect(line, "none")
    (one,) = [region for region in inspection.regions if region.id == "region-1"]
    regions = tuple(
        one.model_copy(update={"id": f"region-{n + 1}", "place": f"place {n + 1}"})
        for n in range(MAX_REGIONS)
    )
    picture = read_picture(bad_part(9))
    scene = Scene(
        picture,
        line.see([picture])[0],
        inspection.sight,
        inspection.references,
        inspection.anomaly,
        regions,
    )
    seen = Seen(scene, (), Excerpt((), (), (), 0), ())
    model, thinking = thinker(), Thinking()
    while not thinking.done:
        thinking = experts.thinker.think(model, seen, thinking)
    asked = [texts_of(messages[-1:])[-1] for messages, _ in model.asked]
    shown = texts_of(model.asked[0][0])
    for region in regions:
        assert sum(text.startswith(f"Look at {region.id} beside") for text in asked) == 1
        assert (
            sum(text.startswith(f"{region.id}, {region.place}, enlarged;") for text in shown) == 1
        )
    # With a few looks in between, and the nodes around it, the graph comes to its end.
    assert len(model.asked) + 2 * MAX_LOOKS + 10 < MAX_STEPS
