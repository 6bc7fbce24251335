"""What a line knows from parts that people judged, as far as inspections rest on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from echo.cases import Case, Cases, OpinionThen
from echo.history import Archive
from echo.inputs import Roster
from echo.parts import LineParts
from experts.confidence import Confidence, Judged
from experts.errors import HistoryError
from experts.evidence import Opinion, Standing
from experts.standing import standing


@dataclass(frozen=True)
class Experience:
    """The cases of a line up to a number; of each image, however often it was judged, the newest.

    Attributes:
        number: That of the last case; 0 if there is none.
        cases: Those that count for the confidence of verdicts.
        heard: Those of them that count for how far an opinion is trusted: of the line as it is, or
            before it was extended or taught. One that was enrolled anew is another.
    """

    number: int = 0
    cases: tuple[Case, ...] = ()
    heard: tuple[Case, ...] = ()

    @classmethod
    def up_to(cls, number: int, archive: Archive, line: LineParts) -> Experience:
        """The first cases of a line, as many as there were at some time.

        Raises:
            HistoryError: If they cannot be read.
        """
        if not number:
            return cls()
        by_image = {case.image_sha256: case for case in Cases(archive).up_to(number)}
        cases = sorted(by_image.values(), key=lambda case: case.number)
        now = Roster.of(line.manifest)
        states = {case.learned_sha256 for case in cases}
        same = {state for state in states if _grew_to(archive.roster(state), now)}
        heard = tuple(case for case in cases if case.learned_sha256 in same)
        return cls(number, tuple(cases), heard)

    @cached_property
    def confidence(self) -> Confidence:
        """How probable it is that a verdict is right."""
        return Confidence([_judged(case) for case in self.cases])

    def rank(self, opinion: Opinion) -> Standing:
        """How far an opinion can be trusted: beside those of the same model, asked the same way."""
        asked = _how_asked(opinion)
        good: list[float] = []
        defective: list[float] = []
        for case in self.heard:
            then = case.opinion
            if then is not None and _how_asked(then) == asked:
                (good if case.verdict == "accept" else defective).append(then.no_defect)
        return standing(opinion.no_defect, good, defective)


def _how_asked(opinion: Opinion | OpinionThen) -> tuple[object, ...]:
    """Opinions that are alike in this can be ranked among each other."""
    asked = opinion.model, opinion.revision, opinion.prompts_version
    return (*asked, opinion.candidates, opinion.from_logits)


def _grew_to(then: Roster | None, now: Roster) -> bool:
    """Whether a line has all normal images that it had then."""
    return then is not None and set(then.images) <= set(now.images)


def _judged(case: Case) -> Judged:
    tolerated = case.verdict_then == "accept" and case.p_value <= case.alpha
    return Judged(
        p_value=case.p_value,
        alpha=case.alpha,
        calibration_size=case.calibration_size,
        verdict=case.verdict_then,
        by_rules=tolerated or case.deciding_clause is not None,
        defective=case.verdict == "reject",
    )


def without_judged(error: HistoryError) -> str:
    """That nothing is known of what people judged, and why."""
    return f"without what people judged: {error}"


class Judgements:
    """The cases of a line as they are now, looked at before each inspection.

    Args:
        archive: The stored inspections of the line.
        line: The line.
        number: Only so many of them, as when an inspection of then is made again.

    Attributes:
        now: What is known.
        fault: Why it is not known, in one sentence.
    """

    def __init__(self, archive: Archive, line: LineParts, number: int | None = None) -> None:
        self._archive, self._line, self._fixed = archive, line, number
        self.now = Experience()
        self.fault: str | None = None

    def refresh(self) -> bool:
        """Look again; says whether there are others now. What cannot be read counts as none."""
        before = self.now
        try:
            number = len(Cases(self._archive)) if self._fixed is None else self._fixed
            if number != before.number or self.fault:
                self.now = Experience.up_to(number, self._archive, self._line)
            self.fault = None
        except HistoryError as error:
            self.now, self.fault = Experience(), without_judged(error)
        return self.now is not before and self.now != before
