"""The experts of one product line, and what they do in the nodes of the graph.

Whatever goes wrong with a language model becomes a fault of the inspection, which stands without
it: its words are evidence for people, and never what a verdict needs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from echo.experience import Experience
from echo.language import Language
from echo.line import ProductLine
from echo.rules import Rules
from echo.state import NOTHING, InspectionState, inspection_of
from experts.album import Album, Seen
from experts.answers import Known
from experts.decision import DecisionMaker
from experts.decoder.regions import MAX_REGIONS
from experts.evidence import Cause, Opinion, Step
from experts.explaining import explain
from experts.knowledge import Findings, KnowledgeGuide, Scene
from experts.naming import KindExpert
from experts.opinion import OpinionExpert
from experts.plain_text import without
from experts.reasoning import ReasoningExpert
from experts.thinking import Thinking, ThinkingExpert
from experts.tools import Call
from experts.tools.cause import cause_step, find_cause
from experts.tools.scene import Equipment, Looked
from experts.tools.scene import Scene as View
from experts.tools.toolbox import Toolbox


@dataclass(frozen=True)
class Experts:
    """The experts of one product line, and what they need to know of it.

    Attributes:
        equipment: What sees, finds and detects.
        namer: ``None`` for a line that was shown no kinds of defects.
        guide: ``None`` for a line without a knowledge file.
        language: Opens the language model that is set, if one is.
        experience: What people judged of its parts.
        causes: Whether causes are tested even if no language model is set.
    """

    equipment: Equipment
    namer: KindExpert | None
    guide: KnowledgeGuide | None
    reasoner: ReasoningExpert
    language: Language
    thinker: ThinkingExpert
    experience: Experience
    maker: DecisionMaker
    causes: bool = False

    @classmethod
    def of(
        cls,
        line: ProductLine,
        rules: Rules,
        language: Language,
        experience: Experience,
        *,
        causes: bool = False,
    ) -> Experts:
        """The experts of a line.

        Args:
            line: The line.
            rules: Those in force.
            language: Opens its language model.
            experience: What people judged of its parts.
            causes: See above.
        """
        knowledge, alpha = rules.knowledge, rules.alpha
        file = knowledge.file if knowledge else None
        has_images = bool(line.manifest.images)
        equipment = Equipment(
            encoder=line.encoder,
            framing=line.look.framing,
            decoder=line.decoder_for(alpha),
            finder=line.finder_for(alpha) if has_images else None,
            extractor=line.extractor if has_images else None,
            photo=line.photo,
            knowledge=knowledge,
            alpha=alpha,
        )
        return cls(
            equipment=equipment,
            namer=line.namer,
            guide=KnowledgeGuide(knowledge) if knowledge else None,
            reasoner=ReasoningExpert(knowledge),
            language=language,
            thinker=ThinkingExpert(Album(equipment), OpinionExpert(file)),
            experience=experience,
            maker=DecisionMaker.by_rules(knowledge, alpha, experience.confidence),
            causes=causes,
        )

    @property
    def alpha(self) -> float:
        """The false-reject rate that the line promises."""
        return self.equipment.alpha

    def apply_rules(self, state: InspectionState) -> Findings:
        """What the line's rules say of the regions; nothing, without a knowledge file."""
        if self.guide is None:
            return Findings((), (), NOTHING)
        regions, limit = state["regions"], state["anomaly"].limit
        crowded = len(regions) >= MAX_REGIONS
        scene = Scene(state["picture"].size_HW, state["sight"], limit, crowded)
        return self.guide.check(regions, scene)

    def test_cause(self, state: InspectionState) -> dict[str, Any]:
        """Whether the regions are why the image is unusual; why not, if that was asked for."""
        cause = find_cause(view_of(state), self.equipment)
        if isinstance(cause, Cause):
            return {"cause": cause, "steps": (cause_step(cause),)}
        return {"steps": (cause_step(cause),)} if self.causes else {}

    def think(self, state: InspectionState) -> dict[str, Any]:
        """Let the language model go through its next stage."""
        so_far = state.get("thinking", Thinking())
        try:
            if (model := self.language.model()) is None:
                return {"thinking": replace(so_far, done=True)}
            after = self.thinker.think(model, _seen(state), so_far)
            opinion = after.opinion and self._ranked(after.opinion)
        # Users bring models of their own: what these raise cannot be foreseen.
        except Exception as error:
            failed = replace(so_far, call=None, done=True, failed=True)
            return {"thinking": failed, "faults": (without("language model", error),)}
        timings_ms = {"mllm": _ms(after.seconds - so_far.seconds)}
        return {"thinking": after, "opinion": opinion, "timings_ms": timings_ms}

    def _ranked(self, opinion: Opinion) -> Opinion:
        return opinion.model_copy(update={"standing": self.experience.rank(opinion)})

    def look(self, state: InspectionState) -> dict[str, Any]:
        """Take the closer look that the language model asked for."""
        so_far = state["thinking"]
        call = so_far.call or Call(tool="measure")
        try:
            looked = Toolbox(self.equipment).use(call, view_of(state), len(so_far.looks) + 1)
        except Exception as error:
            going_on = replace(so_far, call=None, stage=so_far.stage + 1)
            return {"thinking": going_on, "faults": (without(call.tool, error),)}
        after = self.thinker.hear(so_far, looked.look, looked.images)
        return {"thinking": after, "looks": after.looks, "steps": (_look_step(looked),)}

    def explain(self, state: InspectionState) -> dict[str, Any]:
        """Let the language model explain the end, and check all that it wrote."""
        try:
            if (model := self.language.model()) is None:
                return {}
            known = Known(inspection_of(state), self.equipment.knowledge, self.alpha)
            told = explain(model, state["thinking"], known)
        except Exception as error:
            return {"faults": (without("language model", error),)}
        timings_ms = {"mllm": _ms(told.seconds)}
        return {
            "explanation": told.explanation,
            "thoughts": told.steps,
            "timings_ms": timings_ms,
        }


def _ms(seconds: float) -> float:
    """Milliseconds, whatever a model of a user's own says how long it took."""
    return seconds * 1e3 if isfinite(seconds) else 0.0


def view_of(state: InspectionState) -> View:
    """What closer looks are taken at."""
    return View(
        picture=state["picture"],
        features=state["features"],
        sight=state["sight"],
        references=state["references"],
        anomaly=state["anomaly"],
        regions=state["regions"],
    )


def _seen(state: InspectionState) -> Seen:
    return Seen(
        scene=view_of(state),
        checks=state["clause_checks"],
        excerpt=state.get("excerpt", NOTHING),
        steps=state["steps"],
    )


def _look_step(looked: Looked) -> Step:
    look = looked.look
    return Step(
        looked_at=f"{look.tool} {look.target}".strip(),
        found=look.found,
        evidence_ids=(look.id, *look.evidence_ids),
    )
