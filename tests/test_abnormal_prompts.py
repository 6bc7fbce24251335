from __future__ import annotations

from pathlib import Path

from experts.abnormal_prompts import MAX_PROPOSED, propose, question, read_answer
from experts.knowledge import parse_knowledge
from experts.knowledge.schema import KnowledgeFile
from experts.knowledge.writing import with_prompts
from experts.mllm import ScriptedMLLM, user
from experts.prompts import TEMPLATES, prompts_for

TEXT = """\
# Ours.
product: washer
normal: A ring.   # of steel
defects:
  - name: pit
    synonyms: [hole]
    appearance: A small round hole, dark or rusty.
    severity: minor
  - name: dark edges
    appearance: Dark rims.
    severity: minor
prompts:
  abnormal:
    - washer with a hole   # the first
"""


def file_of(text: str = TEXT) -> KnowledgeFile:
    return parse_knowledge(text.encode(), Path("washer.yaml")).file


def test_prompts_name_type_shape_and_colour() -> None:
    assert propose(file_of()) == [
        "washer with a pit",
        "washer with a small dark pit",
        "washer with a small rusty pit",
        "washer with a round dark pit",
        "washer with a round rusty pit",
        "washer with dark edges",
    ]


def test_a_language_model_is_asked_with_all_that_is_known_and_adds_what_is_new() -> None:
    said = "Sure!\n1. Washer with a bent rim\n- washer with a pit\n* a bolt with a pit"
    model = ScriptedMLLM([said])
    proposed = propose(file_of(), model)
    assert proposed[-1] == "Washer with a bent rim"
    assert proposed.count("washer with a pit") == 1
    assert model.asked == [((user(question(file_of())),), ())]
    assert "- pit: A small round hole, dark or rusty." in question(file_of())
    assert "A ring." in question(file_of())


def test_of_an_answer_only_prompts_are_taken() -> None:
    broken = "\n".join(
        [
            '  3) "washer with a long crack."',
            "“washer with a dent”",
            "washer",
            "washer " + "x" * 200,
            "I cannot help with that",
            "washer with a dent",
            "",
        ]
    )
    assert read_answer(broken, "washer") == ["washer with a long crack", "washer with a dent"]
    assert read_answer("", "washer") == []
    many = "\n".join(f"washer with fault {n}" for n in range(200))
    assert len(read_answer(many, "washer")) == MAX_PROPOSED


def test_accepted_prompts_go_into_the_file_and_nothing_else_changes() -> None:
    new = ["washer with a pit", "washer with a hole"]
    written = with_prompts(TEXT.encode(), Path("washer.yaml"), new).decode()
    assert written == TEXT + "    - washer with a pit\n"
    dos = TEXT.replace("\n", "\r\n").encode()
    assert with_prompts(dos, Path("washer.yaml"), new) == written.replace("\n", "\r\n").encode()
    without = TEXT[: TEXT.index("prompts:")]
    added = with_prompts(without.encode(), Path("washer.yaml"), new).decode()
    assert added.startswith(without)
    assert file_of(added).prompts.abnormal == new


def test_accepted_prompts_are_what_the_encoder_is_told() -> None:
    prompts = prompts_for("washer", file_of())
    state = "washer with a hole"
    assert {t.replace("[c]", state) for t in TEMPLATES} <= set(prompts.abnormal)
    assert not any(state in prompt for prompt in prompts.normal)


def test_all_is_said_of_aliases_too() -> None:
    plain, named = file_of(), file_of(TEXT + "aliases: [ring]\n")
    before, after = prompts_for("washer", plain), prompts_for("washer", named)
    assert set(before.abnormal) < set(after.abnormal)
    assert "a photo of a damaged ring." in after.abnormal
    assert "a photo of a flawless ring." in after.normal
