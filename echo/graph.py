"""The pipeline: five nodes and their edges, nothing else.

reference ─▶ decode ─▶ knowledge ─▶ reason ─▶ decide
                └─── clearly normal ─────────────▲
"""

from __future__ import annotations

from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from echo.state import Experts, InspectionState, timed
from experts.decision import is_suspicious
from experts.decoder.regions import find_regions


def build_graph(experts: Experts) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Wire the experts of a line into the graph of one inspection."""

    def reference(state: InspectionState) -> dict[str, Any]:
        extractor, embedding_E = experts.extractor, state["features"].embedding_E
        return {"references": extractor.retrieve(embedding_E) if extractor else ()}

    def decode(state: InspectionState) -> dict[str, Any]:
        picture, features = state["picture"], state["features"]
        laid = experts.finder.find(picture) if experts.finder else None
        anomaly = experts.decoder.decode(picture, features, laid)
        if not (is_suspicious(anomaly, experts.alpha) and anomaly.part_found):
            return {"anomaly": anomaly, "regions": ()}
        regions = find_regions(anomaly, picture.grey_HW, state["sight"].mm_per_px)
        if experts.namer is not None:
            regions = experts.namer.name(picture, state["references"], anomaly, regions)
        return {"anomaly": anomaly, "regions": regions}

    def route_after_decode(state: InspectionState) -> Literal["knowledge", "decide"]:
        return "knowledge" if is_suspicious(state["anomaly"], experts.alpha) else "decide"

    def knowledge(state: InspectionState) -> dict[str, Any]:
        checks, unruled, excerpt = experts.apply_rules(state)
        return {"clause_checks": checks, "unruled": unruled, "excerpt": excerpt}

    def reason(state: InspectionState) -> dict[str, Any]:
        steps = experts.reasoner.reason(
            state["references"],
            state["anomaly"],
            state["regions"],
            state["clause_checks"],
            state["excerpt"],
            state["sight"].view,
        )
        heard = experts.ask_model(state)
        return {**heard, "steps": (*steps, *heard.get("steps", ()))}

    def decide(state: InspectionState) -> dict[str, Any]:
        decision, step = experts.maker.decide(
            state["anomaly"],
            state["regions"],
            state["clause_checks"],
            state["unruled"],
            state["sight"].fault,
        )
        return {"decision": decision, "steps": (step,)}

    graph = StateGraph(InspectionState)
    for node in (reference, decode, knowledge, reason, decide):
        graph.add_node(node.__name__, timed(node.__name__, node))
    graph.add_edge(START, "reference")
    graph.add_edge("reference", "decode")
    graph.add_conditional_edges("decode", route_after_decode)
    graph.add_edge("knowledge", "reason")
    graph.add_edge("reason", "decide")
    graph.add_edge("decide", END)
    return graph.compile()
