"""The conversation about an inspection: five nodes and their edges, nothing else.

recall ─▶ answer ─▶ check ─▶ translate
   │       │ ▲
   └───▶  look      at most MAX_LOOKS times for one question
"""

from __future__ import annotations

from typing import Any, Literal

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from experts.dialogue import MAX_LOOKS
from experts.dialogue_partner import DialogueState, Partner


def build_dialogue(
    partner: Partner, threads: BaseCheckpointSaver[Any] | None
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Wire who is asked into the graph of one question and its answer.

    Args:
        partner: Who is asked.
        threads: Keeps what was asked and answered, by the id of its thread, if it is to be kept.
    """

    def recall(state: DialogueState) -> DialogueState:
        return partner.recall(state)

    def route_after_recall(state: DialogueState) -> Literal["look", "answer"]:
        return "look" if state["call"] else "answer"

    def look(state: DialogueState) -> DialogueState:
        return partner.look(state)

    def answer(state: DialogueState) -> DialogueState:
        return partner.answer(state)

    def route_after_answer(state: DialogueState) -> Literal["look", "check"]:
        may_look = len(state["calls"]) < MAX_LOOKS
        return "look" if state["call"] and may_look else "check"

    def check(state: DialogueState) -> DialogueState:
        return partner.check(state)

    def translate(state: DialogueState) -> DialogueState:
        return partner.translate(state)

    graph = StateGraph(DialogueState)
    for node in (recall, look, answer, check, translate):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "recall")
    graph.add_conditional_edges("recall", route_after_recall)
    graph.add_conditional_edges("answer", route_after_answer)
    graph.add_edge("look", "answer")
    graph.add_edge("check", "translate")
    graph.add_edge("translate", END)
    return graph.compile(checkpointer=threads)
