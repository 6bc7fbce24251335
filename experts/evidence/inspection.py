"""What an inspection comes to: steps, decision, and all evidence together."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from experts.evidence.base import Evidence, Verdict
from experts.evidence.looks import Cause, Look
from experts.evidence.maps import AnomalyMap, Reference
from experts.evidence.regions import Region
from experts.evidence.rules import ClauseCheck, Sight

# The candidate of an opinion that says that a part is good.
NO_DEFECT = "no defect"


class Step(Evidence):
    """One step of the reasoning.

    Attributes:
        looked_at: What was examined.
        found: What came of it, in one sentence.
        evidence_ids: The evidence that the finding rests on.
        by: Name of the language model that said it; ``None`` where code computed it.
    """

    looked_at: str
    found: str
    evidence_ids: tuple[str, ...]
    by: str | None = None


class Standing(Evidence):
    """How far an opinion can be trusted, by parts that a person has judged.

    Attributes:
        good: How many good parts the model has given its opinion on.
        defective: How many defective ones.
        p_if_good: Conformal: how often a good part looks at least as defective to the model.
        p_if_defective: Conformal: how often a defective part looks at least as good to it.
    """

    good: int
    defective: int
    p_if_good: float
    p_if_defective: float


class Opinion(Evidence):
    """What a language model takes an image for.

    Attributes:
        model: Name of the model.
        revision: Which state of it.
        prompts_version: Of the texts that asked it.
        candidates: What it could choose from.
        probabilities: One for each; they add up to 1.
        from_logits: Whether they are the model's own; if not, it named one, which has 1.
        prompt_tokens: How much it had to look at.
        standing: How far it can be trusted; ``None`` until parts were judged.
    """

    model: str
    revision: str
    prompts_version: int
    candidates: tuple[str, ...]
    probabilities: tuple[float, ...]
    from_logits: bool
    prompt_tokens: int
    standing: Standing | None = None

    @property
    def no_defect(self) -> float:
        """The probability of no defect: that of the last candidate so called.

        The line's own defects come first, whatever they are called.
        """
        last = len(self.candidates) - 1 - self.candidates[::-1].index(NO_DEFECT)
        return self.probabilities[last]


class Said(Evidence):
    """A sentence of a language model, and what came of checking it.

    Attributes:
        text: As it came.
        said: What is said instead: the same, a corrected one, or ``None`` if it is left out.
        outcome: ``none`` if it claims nothing that can be checked.
        why: In a few words, what was wrong; empty if it stays as it came.
    """

    text: str
    said: str | None
    outcome: Literal["none", "right", "corrected", "dropped"]
    why: str = ""


class Explanation(Evidence):
    """A language model's words on an inspection, checked against its evidence.

    Attributes:
        text: What is left of them; it contradicts nothing.
        sentences: Each as it came, and what came of it.
        faithfulness: Share of the sentences with claims that were right as they came; ``None`` if
            none had any.
        model: Name of the model.
        revision: Which state of it.
        prompts_version: Of the texts that asked it.
    """

    text: str
    sentences: tuple[Said, ...]
    faithfulness: float | None
    model: str
    revision: str
    prompts_version: int

    @property
    def mended(self) -> tuple[Said, ...]:
        """Sentences that were corrected or left out."""
        return tuple(s for s in self.sentences if s.outcome in ("corrected", "dropped"))


class Defect(Evidence):
    """One defect of a decision.

    Attributes:
        name: Of the kind that it is taken for, or that of the knowledge file where only one
            fits; else ``unknown``.
        candidates: All kinds that it may be of those that were shown, or else all names of the
            knowledge file that it may be.
        region_id: Where it is; ``None`` where no single place stands out.
        check_ids: The clause checks that it was judged by.
    """

    name: str
    candidates: tuple[str, ...]
    region_id: str | None
    check_ids: tuple[str, ...]


class Decision(Evidence):
    """The verdict and what it rests on.

    Attributes:
        verdict: ``accept``, ``reject`` or ``review`` (a person should look).
        confidence: Probability that the verdict is right, as if good and defective parts came
            equally often; see ``experts.confidence``. 0.5 where a person must decide.
        defects: Empty for an accepted part.
        deciding_clause: Id of the clause that decided, if one did.
        reason: One sentence for a person.
    """

    verdict: Verdict
    confidence: float
    defects: tuple[Defect, ...]
    deciding_clause: str | None
    reason: str


class Machine(Evidence):
    """What an inspection was computed on: another one may round its last digits otherwise.

    Attributes:
        processor: Name and instructions of the processor, and of a graphics card, if there is one.
        threads: How many threads PyTorch shared its work among.
        torch: Version of PyTorch.
    """

    processor: str
    threads: int
    torch: str

    @property
    def in_words(self) -> str:
        """For example ``AMD EPYC 7763 (AVX2), 2 threads, torch 2.9.1``."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.processor}, {threads}, torch {self.torch}"


class Versions(Evidence):
    """The hashes and versions that let an inspection be replayed.

    Attributes:
        image_sha256: Of the decoded pixels, shape and all.
        line: Name of the product line.
        line_sha256: Of the line's manifest.
        knowledge_sha256: Of the knowledge file, if the line has one.
        encoder: Name of the encoder.
        weights_sha256: Of the encoder's weights.
        echo: Version of Echo.
        machine: What it was computed on; ``None`` if it was made before this was noted.
        cases: How many parts people had judged of this line; confidence and the standing of
            opinions rest on these.
    """

    image_sha256: str
    line: str
    line_sha256: str
    knowledge_sha256: str | None
    encoder: str
    weights_sha256: str
    echo: str
    machine: Machine | None = None
    cases: int = 0


class Inspection(Evidence):
    """Everything that Echo found out about one image.

    Attributes:
        image: Name of the file, or how the image was given (``array``, ``bytes``).
        size_HW: Of the upright image, in pixels.
        references: Most similar normal images, best first.
        anomaly: Map, score and p-value.
        regions: Strongest first; empty for a clearly normal image.
        clause_checks: Rules that were computed on the regions.
        steps: The reasoning, in order.
        decision: Verdict and reason.
        opinion: What a language model takes it for, if one was asked.
        looks: Closer looks that were taken on request.
        cause: What becomes of the anomaly once the regions are made normal, if that was tried.
        explanation: A language model's words on all this, checked.
        sight: How the rules looked at it.
        faults: What else went wrong, each in one sentence, such as an edit of the rules that has
            mistakes, or a language model that did not answer.
        versions: Hashes and versions.
        timings_ms: Milliseconds per stage; the only field that differs between two runs.
        id: By which people name it, ``LINE:NUMBER``, if it was stored; see ``echo.history``. It is
            no part of what was found out, so it is not written with it.
    """

    image: str
    size_HW: tuple[int, int]
    references: tuple[Reference, ...]
    anomaly: AnomalyMap
    regions: tuple[Region, ...]
    clause_checks: tuple[ClauseCheck, ...]
    steps: tuple[Step, ...]
    decision: Decision
    opinion: Opinion | None = None
    looks: tuple[Look, ...] = ()
    cause: Cause | None = None
    explanation: Explanation | None = None
    sight: Sight
    faults: tuple[str, ...] = ()
    versions: Versions
    timings_ms: dict[str, float]
    id: str | None = Field(default=None, exclude=True)

    @property
    def verdict(self) -> Verdict:
        """Shorthand for ``decision.verdict``."""
        return self.decision.verdict
