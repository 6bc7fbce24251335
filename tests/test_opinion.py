from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from echo import Inspection, Inspector, ProductLine
from echo.history import History
from echo.language import Language
from echo.settings import MLLM_VARIABLE
from experts.errors import MLLMUnavailableError
from experts.evidence import Opinion
from experts.knowledge.reading import parse_knowledge
from experts.mllm import MLLM, Choice, Cost, Message, ScriptedMLLM, user
from experts.mllm.prompts import prompts
from experts.opinion import OpinionExpert, opinion_step
from tests.conftest import bad_part
from tests.ruled_lines import LENIENT, copied
from tests.thinkers import thinker
from tests.tiny_models import build


@pytest.fixture(scope="module")
def line(strict_home: Path, tmp_path_factory: pytest.TempPathFactory) -> ProductLine:
    return copied(strict_home, tmp_path_factory.mktemp("opinion"), LENIENT)


def inspect(line: ProductLine, model: Any, seed: int = 9) -> Inspection:
    return Inspector(line, keep=False, mllm=model).inspect(bad_part(seed))


def asked_for_opinion(model: ScriptedMLLM) -> tuple[Sequence[Message], tuple[str, ...]]:
    """The conversation in which it was to choose."""
    (found,) = [asked for asked in model.asked if asked[1]]
    return found


def test_a_model_is_asked_what_an_unusual_image_shows(line: ProductLine) -> None:
    model = thinker(opinion={"A": 0.7, "B": 0.2, "C": 0.1})
    inspection = inspect(line, model)
    opinion = inspection.opinion
    assert opinion is not None
    assert opinion.candidates == ("pit", "no defect", "other")
    assert opinion.probabilities == pytest.approx((0.7, 0.2, 0.1))
    assert (opinion.model, opinion.revision, opinion.from_logits) == ("scripted", "scripted", True)
    assert opinion.prompts_version == prompts().version
    assert opinion.prompt_tokens > 50
    step = next(s for s in inspection.steps if s.evidence_ids == ("opinion",))
    assert step.looked_at == "what scripted sees"
    # The line promises 40 %, so two judged parts would do.
    assert step.found == (
        "It takes the image for: pit 70%, no defect 20%, other 10%. It has no say in the verdict: "
        "2 judged good parts are needed, 0 are there."
    )
    # Before the verdict, which comes last.
    assert inspection.steps.index(step) == len(inspection.steps) - 2
    messages, options = asked_for_opinion(model)
    assert options == ("A", "B", "C")
    question = messages[-1].content[-1]
    assert "A. pit: A small dark hole.\nB. no defect" in str(question)


def test_of_two_candidates_of_that_name_the_last_says_no_defect() -> None:
    opinion = Opinion(
        model="m",
        revision="r",
        prompts_version=1,
        candidates=("no defect", "no defect", "other"),
        probabilities=(0.7, 0.2, 0.1),
        from_logits=True,
        prompt_tokens=1,
    )
    assert opinion.no_defect == 0.2


class BrokenMLLM(ScriptedMLLM):
    def _choose(self, asked: Any) -> list[Choice]:
        raise KeyError("attention\n" + 9_000 * "!")


class OddMLLM(ScriptedMLLM):
    """Of a user's own; it gives other probabilities than it was asked for."""

    def __init__(self, *probabilities: float) -> None:
        super().__init__(thinker()._next, name="odd")
        self._probabilities = probabilities

    def _choose(self, asked: Any) -> list[Choice]:
        return [Choice(asked[0][1], self._probabilities, True, Cost())]


def failing() -> Iterator[tuple[MLLM | str, str]]:
    yield thinker(opinion=MLLMUnavailableError("the cluster is gone")), "the cluster is gone"
    yield BrokenMLLM(thinker()._next), "KeyError: 'attention"
    yield OddMLLM(0.5, 0.5), "odd: gave no probability for each of 3 answers; take another model"
    yield OddMLLM(math.nan, 0.5, 0.5), "odd: gave no probability for each of 3 answers; "
    yield "/no/such/folder", "/no/such/folder: there is no such folder; check the path"
    yield "http://127.0.0.1:9/v1#m", "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(("model", "why"), list(failing()))
def test_a_failing_model_never_loses_an_inspection(
    line: ProductLine, model: MLLM | str, why: str
) -> None:
    inspection = inspect(line, model)
    assert inspection.decision == inspect(line, None).decision
    (fault,) = inspection.faults
    assert fault.startswith(f"without language model: {why}")
    assert len(fault) < 600
    assert inspection.opinion is None


def test_a_folder_may_be_a_path(line: ProductLine, tmp_path: Path) -> None:
    assert str(tmp_path) in str(inspect(line, tmp_path).faults)
    number: Any = 3
    with pytest.raises(TypeError, match="not int"):
        Inspector(line, mllm=number)


def test_a_model_that_cannot_be_opened_is_not_tried_with_every_image(
    line: ProductLine, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    inspector = Inspector(line, keep=False, mllm=str(folder))
    before = inspector.inspect(bad_part(3)).faults
    build("smolvlm", folder)
    assert inspector.inspect(bad_part(4)).faults == before
    # It is tried again later, or at once by whoever asks anew.
    assert Inspector(line, keep=False, mllm=str(folder)).inspect(bad_part(3)).faults == ()


def test_a_real_model_goes_all_the_way(
    line: ProductLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(MLLM_VARIABLE)
    folder = build("qwen2_5_vl", tmp_path / "model")
    # In 4 bits a processor takes minutes for so many words.
    (line.home / "settings.yaml").write_text(
        f"mllm: none\nmllm_precision: bf16\nlines: {{washer: {{mllm: {folder}}}}}\n"
    )
    try:
        inspector = Inspector(line)
        inspection = inspector.inspect(bad_part(9))
        again = Inspector(line).inspect(bad_part(9))
        # One process holds one copy of the weights.
        languages = [inspector._language, Language(line.home, "other", str(folder))]
        assert languages[0].model() is languages[1].model()
    finally:
        (line.home / "settings.yaml").unlink()
    assert inspection.faults == ()
    opinion = inspection.opinion
    assert opinion is not None
    assert opinion.model == str(folder)
    assert opinion.revision.startswith("files-")
    assert sum(opinion.probabilities) == pytest.approx(1)
    assert again.opinion == opinion
    *_, record = History(line).records()
    assert record.inspection().opinion == opinion


def test_there_may_be_more_kinds_than_letters() -> None:
    defects = "".join(
        f"  - {{name: kind {n}, appearance: Like {n}., effect: Bad., severity: minor}}\n"
        for n in range(30)
    )
    rules = f"product: washer\npart: washer\nparts: washers\nnormal: Even.\ndefects:\n{defects}"
    knowledge = parse_knowledge(rules.encode(), Path("washer.yaml"))
    expert = OpinionExpert(knowledge.file)
    opinion, _ = expert.ask(ScriptedMLLM(["Z"]), [user("Look.")])
    assert len(opinion.candidates) == 26
    assert opinion.candidates[-2:] == ("no defect", "other")
    step = opinion_step(opinion, "It has no say.")
    assert step.found.endswith("for: other, without saying how sure it is. It has no say.")
