"""A model without eyes in inspections and conversations: it reads a page and says what is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.nano_dialogue import spoken
from benchmarks.nano_lines import Examined
from echo import Inspection, Inspector, ProductLine
from echo.training.inventing import invent
from experts.answers import Known
from experts.errors import MLLMUnavailableError
from experts.mllm import Message, ScriptedMLLM
from experts.sheet import (
    NOT_KNOWN,
    count_line,
    decided_lines,
    normal_line,
    restated,
    sayable,
    sheet,
)
from tests.conftest import bad_part, good_part
from tests.ruled_lines import STRICT, line_with


class Reader(ScriptedMLLM):
    """Has no eyes; writes what it is given."""

    sees = False

    def __init__(self, text: str) -> None:
        super().__init__(lambda _messages, _options: text, name="reader")


def told(messages: Sequence[Message]) -> str:
    return "\n".join(str(part) for message in messages for part in message.content)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> ProductLine:
    return line_with(STRICT, tmp_path_factory.mktemp("reading"))


@pytest.fixture(scope="module")
def bad(line: ProductLine) -> Inspection:
    return Inspector(line, keep=False, mllm="none").inspect(bad_part(9))


def test_it_is_asked_once_and_shown_no_image(line: ProductLine) -> None:
    model = Reader("Nothing to see.")
    inspection = Inspector(line, keep=False, mllm=model).inspect(bad_part(9))
    ((messages, options),) = model.asked
    assert options == ()
    assert all(isinstance(part, str) for message in messages for part in message.content)
    rules = line.knowledge
    plain = inspection.model_copy(update={"explanation": None})
    assert sheet(Known(plain, rules, line.alpha)) in told(messages)


def test_its_words_are_checked(line: ProductLine) -> None:
    text = "The part is rejected. It lies at the top left. It is 900 px long. Ship it."
    inspection = Inspector(line, keep=False, mllm=Reader(text)).inspect(bad_part(9))
    explanation = inspection.explanation
    assert explanation is not None
    assert "rejected" in explanation.text
    assert "900" not in explanation.text
    assert "Ship" not in explanation.text
    assert explanation.model == "reader"
    assert [s.by for s in inspection.steps if s.by] == []


def test_an_explanation_begins_with_the_end_and_repeats_nothing(
    line: ProductLine, bad: Inspection
) -> None:
    count = count_line(Known(bad, line.knowledge, line.alpha))
    text = f"{count} {count} The washer is rejected. {count}"
    inspection = Inspector(line, keep=False, mllm=Reader(text)).inspect(bad_part(9))
    assert inspection.explanation is not None
    assert inspection.explanation.text == f"The washer is rejected. {count}"


def test_a_clearly_normal_part_is_not_explained(line: ProductLine) -> None:
    model = Reader("All is well.")
    inspection = Inspector(line, keep=False, mllm=model).inspect(good_part(801))
    assert inspection.explanation is None
    assert model.asked == []


def test_one_that_fails_loses_its_words_alone(line: ProductLine, bad: Inspection) -> None:
    def fail(_messages: Sequence[Message], _options: tuple[str, ...]) -> MLLMUnavailableError:
        return MLLMUnavailableError("no room")

    model = ScriptedMLLM(fail, name="reader")
    model.sees = False
    inspection = Inspector(line, keep=False, mllm=model).inspect(bad_part(9))
    assert inspection.faults == ("without language model: no room",)
    assert inspection.decision == bad.decision


Asking = Callable[[str, str], str]


@pytest.fixture
def ask(line: ProductLine, bad: Inspection) -> Asking:
    """Asks a question of which the model says something; gives the answer."""

    def put(question: str, said: str) -> str:
        inspector = Inspector(line, keep=False, mllm=Reader(said))
        return inspector.converse(bad).ask(question).text

    return put


def test_what_it_says_stands_above_what_code_says(ask: Asking, bad: Inspection) -> None:
    first, *rest = ask("Where is it?", "region-1 lies in the centre.").splitlines()
    region = bad.regions[0]
    assert region.place == "centre"
    assert first == "region-1 lies in the centre."
    assert any(region.id in sentence and "box in pixels" in sentence for sentence in rest)


def test_of_a_question_that_code_cannot_read_it_says_all(ask: Asking) -> None:
    said = ask("Blip or no blip?", "The part is rejected.")
    assert said.splitlines()[-1] == "The part is rejected."


def test_yes_and_no_stand_behind_the_question_that_they_answer(
    ask: Asking, bad: Inspection, line: ProductLine
) -> None:
    """So that they are right even if something else was asked."""
    said = decided_lines(Known(bad, line.knowledge, line.alpha))["flawless"]
    assert said == "Is it good? No, the washer is rejected."
    assert said in ask("Any scratches on it?", said).splitlines()


def test_whatever_restates_a_question_is_said_whole() -> None:
    verdicts = set()
    for seed in range(10):
        known = invent(np.random.default_rng(seed))
        lines = [line for line in sayable(known) if restated(line, known)[0]]
        # Those of the part as a whole, and of kinds of defects.
        assert len(lines) >= len(decided_lines(known))
        verdicts.add(known.inspection.verdict)
        for line in lines:
            assert line in spoken(Examined("invented", known, None), "Blip?", Reader(line)), line
    assert verdicts == {"accept", "reject", "review"}


def test_no_other_inspections_answer_is_said() -> None:
    first, other = (invent(np.random.default_rng(seed)) for seed in (0, 1))
    right = set(sayable(first))
    lines = [line for line in sayable(other) if restated(line, other)[0] and line not in right]
    assert lines
    for line in lines:
        answer = line.partition("? ")[2]
        assert answer not in spoken(Examined("invented", first, None), "Blip?", Reader(line))


def test_what_is_wrong_is_not_said(ask: Asking) -> None:
    assert "accepted" not in ask("Blip or no blip?", "Yes, the part is accepted.")


def test_what_no_page_tells_is_not_known(ask: Asking) -> None:
    """Although code takes the question for one after places."""
    assert ask("Where do we buy the steel for it?", NOT_KNOWN) == NOT_KNOWN


@pytest.mark.parametrize(
    "question",
    ["Who is to decide on the good coffee?", "May it be shipped?", "Is the part good?", "Reject?"],
)
def test_no_verdict_hides_behind_what_is_not_known(
    ask: Asking, bad: Inspection, question: str
) -> None:
    assert bad.verdict == "reject"
    assert "The verdict is reject." in ask(question, NOT_KNOWN).splitlines()


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("How sure is this?", "p = 0.2"),
        ("What was it compared with?", "normal"),
        ("Why was it rejected?", "Rejected:"),
        ("Give me a summary.", "region-1"),
        ("Which rule decided?", "scores beyond"),
        ("Where is region-7?", "There is no region-7"),
        ("What is at the bottom right?", "bottom right"),
        ("Where is the largest one?", "region-1"),
        ("What is a scratch?", "knowledge file"),
        ("Blip or no blip?", "You can ask"),
    ],
)
def test_where_code_may_know_more_than_a_page_it_answers(
    ask: Asking, question: str, says: str
) -> None:
    said = ask(question, NOT_KNOWN)
    assert NOT_KNOWN not in said
    assert says in said


def test_beside_what_is_said_of_good_parts_stands_the_verdict_on_this_one(
    ask: Asking, bad: Inspection, line: ProductLine
) -> None:
    said = normal_line(Known(bad, line.knowledge, line.alpha))
    assert said is not None
    for question in ("Where is it?", "Blip or no blip?"):
        lines = ask(question, said).splitlines()
        behind = lines[lines.index(said) + 1]
        assert behind == "This is said in general; the verdict on this washer is reject."


@pytest.mark.parametrize("question", ["So?", "So what?", "So, and how large?", "So both?"])
def test_some_questions_stand_on_the_one_before(
    line: ProductLine, bad: Inspection, question: str
) -> None:
    model = Reader("region-1 lies in the centre.")
    talk = Inspector(line, keep=False, mllm=model).converse(bad)
    talk.ask("Where is it?")
    talk.ask(question)
    assert len(model.asked) == 1


def test_what_is_not_known_rests_on_nothing(line: ProductLine, bad: Inspection) -> None:
    talk = Inspector(line, keep=False, mllm=Reader(NOT_KNOWN)).converse(bad)
    answer = talk.ask("Where do we buy the steel for it?")
    assert answer.text == NOT_KNOWN
    assert answer.evidence_ids == answer.about == ()
    assert answer.faithfulness is None


@pytest.mark.parametrize(
    "question",
    [
        "Is the next part good as well?",
        "Was the previous washer accepted?",
        "What became of the other batch?",
        "Is the other lot fine?",
    ],
)
@pytest.mark.parametrize("said", [NOT_KNOWN, "Is it good? No, the washer is rejected."])
def test_of_another_part_nothing_is_known(ask: Asking, question: str, said: str) -> None:
    assert ask(question, said) == NOT_KNOWN


@pytest.mark.parametrize(
    "question",
    [
        "May it go on to the next part of the line?",
        "Can I ship it with the next batch?",
        "May it be sold with other products?",
        "Is this good, or do we need another one?",
        "Is the other one bigger?",
        "Is the last washer good?",
    ],
)
def test_what_only_mentions_others_is_of_this_part(
    ask: Asking, bad: Inspection, question: str
) -> None:
    said = ask(question, NOT_KNOWN)
    assert said != NOT_KNOWN
    assert "reject" in said or "region-" in said


def test_no_verdict_hides_behind_a_place_that_is_not_there(ask: Asking, bad: Inspection) -> None:
    said = ask("Is it good apart from region-7?", "The verdict on this washer is reject.")
    assert "reject" in said


@pytest.mark.parametrize("question", ["Where is region-7?", "How large is region-9?"])
def test_of_a_place_that_is_not_there_no_other_is_told(ask: Asking, question: str) -> None:
    said = ask(question, "region-1 lies in the centre.")
    assert said.startswith("There is no region-")
    assert "lies" not in said


def test_where_code_reads_for_certain_what_is_asked_it_speaks_first(
    ask: Asking, bad: Inspection, line: ProductLine
) -> None:
    count = count_line(Known(bad, line.knowledge, line.alpha))
    first, *rest = ask("Which place is the largest?", count).splitlines()
    assert "the largest is region-1" in first
    assert count in rest


@pytest.mark.parametrize(
    "question",
    [
        "Wo liegt der Fehler?",
        "Où est le défaut ?",
        "これは良品ですか",
        "可以发货吗",
        "Можно отправлять?",
        "هل يمكن شحنه",
        "¿Puedo enviarlo al cliente?",
        "Kan ik dit versturen?",
    ],
)
def test_it_is_asked_in_english_alone(line: ProductLine, bad: Inspection, question: str) -> None:
    model = Reader("region-1 lies in the centre.")
    Inspector(line, keep=False, mllm=model).converse(bad).ask(question)
    assert model.asked == []


def test_what_goes_on_from_before_is_codes(line: ProductLine, bad: Inspection) -> None:
    model = Reader("region-1 lies in the centre.")
    talk = Inspector(line, keep=False, mllm=model).converse(bad)
    talk.ask("Where is it?")
    before = len(model.asked)
    assert before == 1
    answer = talk.ask("And how large is it?")
    assert len(model.asked) == before
    assert "px" in answer.text


def test_a_question_that_stands_for_itself_is_asked_in_a_conversation_too(
    line: ProductLine, bad: Inspection
) -> None:
    model = Reader("region-1 lies in the centre.")
    talk = Inspector(line, keep=False, mllm=model).converse(bad)
    for number, question in enumerate(("How large is it?", "So where does this lie?"), 1):
        talk.ask(question)
        assert len(model.asked) == number


def test_the_report_shows_what_was_asked(
    line: ProductLine, bad: Inspection, tmp_path: Path
) -> None:
    from echo.report import ReportWriter
    from experts.images import read_picture

    model = Reader("region-1 lies in the centre.")
    answer = Inspector(line, keep=False, mllm=model).converse(bad).ask("Where is <it>?")
    writer = ReportWriter(tmp_path, "Parts", line)
    writer.add(bad, read_picture(bad_part(9)), answers=[answer])
    page = writer.finish().read_text("utf-8")
    assert "<dt>Where is &lt;it&gt;?</dt>" in page
    assert "region-1 lies in the centre.<br>" in page
    assert "<small>reader</small>" in page
