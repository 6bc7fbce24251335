"""The graph of a conversation: every route, every bound, and what a failing model does."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from PIL import Image

import echo.dialogue
from echo import Inspection, Inspector, ProductLine, QuestionError
from echo.dialogue import build_dialogue
from experts.answers import HELP, NOTHING, Known
from experts.dialogue import MAX_LOOKS, MAX_QUESTION, Answer
from experts.dialogue_model import MAX_BEFORE, _before
from experts.dialogue_partner import NO_IMAGE, Partner
from experts.errors import MLLMUnavailableError
from experts.mllm import Message, ScriptedMLLM
from experts.mllm.local import load
from experts.tools import Call
from experts.tools.scene import Looked, Scene
from tests.claim_facts import ALPHA, CASES
from tests.conftest import bad_part, good_part
from tests.ruled_lines import STRICT, line_with
from tests.tiny_models import build


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> ProductLine:
    return line_with(STRICT, tmp_path_factory.mktemp("dialogue"))


@pytest.fixture(scope="module")
def bad(line: ProductLine) -> Inspection:
    return Inspector(line, keep=False, mllm="none").inspect(bad_part(9))


def reply(answer: str = "", tool: str = "none", target: str = "", language: str = "English") -> str:
    return json.dumps({"language": language, "tool": tool, "target": target, "answer": answer})


def asked(model: ScriptedMLLM, number: int = -1) -> str:
    """All texts of a conversation that the model was asked with."""
    messages, _ = model.asked[number]
    return "\n".join(p for m in messages for p in m.content if isinstance(p, str))


def talk_to(line: ProductLine, model: Any) -> Inspector:
    inspector = Inspector(line, keep=False, mllm=model)
    inspector._conversations.remember(picture())
    return inspector


def picture() -> Any:
    from experts.images import read_picture

    return read_picture(bad_part(9))


def test_the_graph_is_readable() -> None:
    assert len(inspect.getsource(echo.dialogue).splitlines()) < 75
    graph = build_dialogue(partner_of("three"), None).get_graph()
    edges = {(edge.source, edge.target) for edge in graph.edges}
    assert edges == {
        ("__start__", "recall"),
        ("recall", "look"),
        ("recall", "answer"),
        ("answer", "look"),
        ("answer", "check"),
        ("look", "answer"),
        ("check", "translate"),
        ("translate", "__end__"),
    }


def test_without_a_model_code_answers(line: ProductLine, bad: Inspection) -> None:
    inspector = talk_to(line, "none")
    answer = inspector.ask(bad, "Why?")
    assert answer.text.splitlines()[0] == bad.decision.reason
    assert (answer.model, answer.sentences, answer.faults, answer.looks) == (None, (), (), ())
    assert answer.faithfulness is None
    assert "region-1" in answer.evidence_ids
    size = inspector.ask(bad, "and how big is it?")
    assert size.about[0] == "region-1"
    assert [turn.question for turn in inspector.converse(bad).turns] == ["Why?", size.question]


def test_a_follow_up_asks_the_same_again(line: ProductLine, bad: Inspection) -> None:
    inspector = talk_to(line, "none")
    size = inspector.ask(bad, "How large is it?")
    assert size.topics == ("size",)
    again = inspector.ask(bad, "and the first one?")
    assert (again.text, again.topics) == (size.text.splitlines()[0], size.topics)
    measured = inspector.ask(bad, "Measure it")
    assert inspector.ask(bad, "und Bereich 1?").text == measured.text


@pytest.mark.parametrize(
    ("question", "tool", "target"),
    [
        ("Look closer at the upper edge", "zoom", "top edge"),
        ("Schau dir die obere Kante genauer an", "zoom", "top edge"),
        ("compare it", "compare", "region-1"),
        ("Measure region 1", "measure", "region-1"),
        ("What does the knowledge file say about a pit?", "lookup", ""),
    ],
)
def test_without_a_model_closer_looks_are_taken(
    line: ProductLine, bad: Inspection, question: str, tool: str, target: str
) -> None:
    answer = talk_to(line, "none").ask(bad, question)
    (look,) = answer.looks
    assert (look.id, look.tool) == ("look-1", tool)
    assert look.target.removeprefix("the ") == target
    assert "look-1" in answer.evidence_ids
    assert (look.found in answer.text) or tool == "lookup"
    assert answer.faults == ()


def test_looks_are_counted_through_the_conversation(line: ProductLine, bad: Inspection) -> None:
    inspector = talk_to(line, "none")
    ids = [inspector.ask(bad, "Zoom in").looks[0].id for _ in range(3)]
    assert ids == ["look-1", "look-2", "look-3"]


def test_a_model_answers(line: ProductLine, bad: Inspection) -> None:
    says = f"{bad.decision.reason} region-1 lies in the {bad.regions[0].place}."
    model = ScriptedMLLM([reply(says)])
    answer = talk_to(line, model).ask(bad, "Why?")
    assert answer.text == says
    assert [s.outcome for s in answer.sentences] == ["right", "right"]
    assert (answer.model, answer.revision, answer.faithfulness) == ("scripted", "scripted", 1.0)
    assert answer.prompts_version == 1
    told = asked(model)
    assert bad.decision.reason in told
    assert "The operator asks: Why?" in told
    assert "pit: A small dark hole." in told
    shown = [p for m in model.asked[0][0] for p in m.content if isinstance(p, Image.Image)]
    assert len(shown) >= 3


def test_what_was_said_before_is_told(line: ProductLine, bad: Inspection) -> None:
    model = ScriptedMLLM([reply(bad.decision.reason), reply("region-1 is dark.")])
    inspector = talk_to(line, model)
    inspector.ask(bad, "Why?")
    inspector.ask(bad, "And what tone has it?")
    assert f"Operator: Why?\nYou: {bad.decision.reason}" in asked(model)
    assert "Operator" not in asked(model, 0)


def test_of_a_long_conversation_the_newest_is_told() -> None:
    turns = [Answer(question=f"Q{n}?", text=f"answer {n} " + "x" * 990) for n in range(50)]
    told = _before(turns)
    assert "Q49?" in told
    assert "Q2?" not in told
    assert len(told) <= MAX_BEFORE
    assert told.index("Q48?") < told.index("Q49?")


def test_a_model_takes_closer_looks(line: ProductLine, bad: Inspection) -> None:
    model = ScriptedMLLM(
        [
            reply(tool="measure", target="region-1"),
            reply(tool="zoom", target="top"),
            reply("", "none"),
        ]
    )
    answer = talk_to(line, model).ask(bad, "Tell all that you see")
    assert [(look.id, look.tool) for look in answer.looks] == [
        ("look-1", "measure"),
        ("look-2", "zoom"),
    ]
    assert answer.looks[0].found in asked(model)
    first, last = ([p for m in model.asked[n][0] for p in m.content] for n in (0, 2))
    assert len([p for p in last if isinstance(p, Image.Image)]) > len(
        [p for p in first if isinstance(p, Image.Image)]
    )
    # It said nothing then, so code answers with what was found.
    assert answer.looks[1].found in answer.text
    assert answer.model is None


@pytest.mark.parametrize("same", [True, False])
def test_closer_looks_are_bounded(line: ProductLine, bad: Inspection, *, same: bool) -> None:
    places = iter(range(100))

    def greedy(messages: Sequence[Message], options: tuple[str, ...]) -> str:
        return reply(tool="measure", target="top" if same else f"region-{next(places)}")

    model = ScriptedMLLM(greedy)
    answer = talk_to(line, model).ask(bad, "Where?")
    assert len(answer.looks) == (1 if same else MAX_LOOKS)
    assert len(model.asked) == MAX_LOOKS + 1
    assert "Either take one closer look" in asked(model, -2)
    assert "Either take one closer look" not in asked(model, -1)
    assert answer.text


def test_what_a_person_asks_for_is_looked_at_first(line: ProductLine, bad: Inspection) -> None:
    model = ScriptedMLLM([reply("Nothing can be told.")])
    answer = talk_to(line, model).ask(bad, "Look closer at the upper edge")
    assert [(look.tool, look.target) for look in answer.looks] == [("zoom", "the top edge")]
    assert answer.looks[0].found in asked(model)


class NoTools:
    def use(self, call: Call, scene: Scene, number: int) -> Looked:
        raise RuntimeError("the disk is\ngone")


def partner_of(case: str, model: Any = None, scene: Any = None) -> Partner:
    inspection, knowledge = CASES[case]()
    known = Known(inspection, knowledge, ALPHA)
    return Partner(known, lambda: model, NoTools(), lambda: scene, tuple)


def answered(partner: Partner, question: str) -> Answer:
    state = build_dialogue(partner, None).invoke({"question": question})
    json.dumps(state)
    return Answer.model_validate(state["turns"][-1])


def test_a_tool_that_fails_is_a_fault() -> None:
    answer = answered(partner_of("three", scene="there"), "Zoom in; why is it rejected?")
    assert answer.faults == ("without zoom: RuntimeError: the disk is gone",)
    assert answer.text.startswith("Rejected: ")


def test_without_the_image_what_needs_it_says_so() -> None:
    assert answered(partner_of("three"), "Look closer at the top").text == NO_IMAGE
    assert answered(partner_of("three"), "compare it").text == NO_IMAGE
    measured = answered(partner_of("three"), "Measure region 2")
    assert (
        measured.looks[0].found == measured.text == "region-2, a bright spot: 15 × 12 px, 180 px²."
    )
    pit = answered(partner_of("three"), "What does the knowledge file say about a pit?")
    assert "A small dark hole." in pit.text
    gone = answered(partner_of("three"), "What does the knowledge file say about gold?")
    assert gone.text == "The knowledge file says nothing of that."
    assert answered(partner_of("three"), "Why?").text.startswith("Rejected: ")


def test_an_inspection_whose_image_is_gone_can_be_asked_about(
    line: ProductLine, bad: Inspection
) -> None:
    inspector = Inspector(line, keep=False, mllm="none")
    assert inspector.ask(bad, "zoom in").text == NO_IMAGE
    other = talk_to(line, "none")
    assert other.ask(bad.model_copy(update={"image": "/gone.png"}), "zoom in").text != NO_IMAGE


class BrokenMLLM(ScriptedMLLM):
    """Of a user's own; it raises what nobody foresees."""

    def generate(self, *_: Any, **__: Any) -> Any:
        raise KeyError("attention\n" + 9_000 * "!")


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (
            lambda: ScriptedMLLM([MLLMUnavailableError("the cluster is gone")]),
            "the cluster is gone",
        ),
        (lambda: ScriptedMLLM([]), "scripted: its script has ended; give it more lines"),
        (lambda: ScriptedMLLM(["no JSON"] * 3), "scripted: gave no valid Reply in 3 tries"),
        (lambda: BrokenMLLM([]), "KeyError: 'attention"),
        (lambda: "/no/such/folder", "/no/such/folder: there is no such folder"),
    ],
)
def test_a_failing_model_leaves_the_answer_of_code(
    line: ProductLine, bad: Inspection, model: Callable[[], Any], why: str
) -> None:
    plain = talk_to(line, "none").ask(bad, "Why?")
    answer = talk_to(line, model()).ask(bad, "Why?")
    (fault,) = answer.faults
    assert fault.startswith(f"without language model: {why}")
    assert len(fault) <= 500
    assert answer.model_copy(update={"faults": ()}) == plain


def test_a_model_that_fails_behind_a_closer_look(line: ProductLine, bad: Inspection) -> None:
    model = ScriptedMLLM([reply(tool="zoom", target="top"), MLLMUnavailableError("gone")])
    answer = talk_to(line, model).ask(bad, "Where?")
    assert answer.faults == ("without language model: gone",)
    assert answer.looks[0].found in answer.text


@pytest.mark.parametrize("question", ["", "  \n", "\x00\x1b", "?!", "\u200b", "\ud800"])
def test_an_empty_question_is_refused(line: ProductLine, bad: Inspection, question: str) -> None:
    with pytest.raises(QuestionError, match="the question is empty"):
        Inspector(line, keep=False).ask(bad, question)


def test_a_question_has_its_bounds(line: ProductLine, bad: Inspection) -> None:
    inspector = talk_to(line, "none")
    with pytest.raises(QuestionError, match=r"has 10,000 characters; ask in at most 2,000"):
        inspector.ask(bad, "x" * 10_000)
    longest = inspector.ask(bad, "x" * MAX_QUESTION)
    assert longest.text == f"{NOTHING}\n{HELP}"
    plain = inspector.ask(bad, "Why\x00 \x1b[31mis\tit\n rejected\u202e?")
    assert plain.question == "Why [31mis it rejected?"
    assert plain.text.startswith("Rejected: ")


def test_signs_for_terminals_are_left_out(line: ProductLine, bad: Inspection) -> None:
    says = f"\x1b]0;owned\x07{bad.decision.reason}"
    answer = talk_to(line, ScriptedMLLM([reply(says)])).ask(bad, "Why?")
    assert "\x1b" not in answer.model_dump_json()
    assert "\\u001b" not in answer.model_dump_json()


def test_a_good_part_can_be_asked_about(line: ProductLine) -> None:
    inspector = Inspector(line, keep=False, mllm="none")
    good = inspector.inspect(good_part(1))
    assert inspector.ask(good, "Is it ok?").text.startswith("The verdict is accept")
    assert inspector.ask(good, "Where is the defect?").text.startswith("No single place stands out")
    assert inspector.ask(good, "Zoom in at the top").looks[0].tool == "zoom"
    assert len(inspector.converse(good).turns) == 3
    assert inspector.converse(good, new=True).turns == ()


def test_states_are_plain() -> None:
    from experts.dialogue_partner import DialogueState

    hints = {name: str(hint) for name, hint in get_type_hints(DialogueState).items()}
    for hint in hints.values():
        assert "experts" not in hint


def test_a_tiny_random_model_never_crashes_a_conversation(
    line: ProductLine, bad: Inspection, tmp_path: Path
) -> None:
    folder = build("smolvlm", tmp_path / "model")
    # In 4 bits a processor takes minutes for so many words.
    model = load(folder, name="smolvlm", revision="random", precision="bf16")
    inspector = talk_to(line, model)
    for question in ("Why?", "Look closer at the upper edge"):
        answer = inspector.ask(bad, question)
        assert answer.text
        assert all(f.startswith(("without language model: ", "without tr")) for f in answer.faults)
    assert len(inspector.converse(bad).turns) == 2
