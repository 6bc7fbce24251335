"""What a line knows from parts that people judged, as far as inspections rest on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from echo.cases import Case, Cases, newest
from echo.history import Archive
from experts.confidence import Confidence, Judged
from experts.errors import HistoryError
from experts.evidence import Opinion, Standing
from experts.standing import standing


@dataclass(frozen=True)
class Experience:
    """The cases of a line up to a number: a later judgement of the same inspection replaces one.

    Attributes:
        number: That of the last case; 0 if there is none.
        cases: Of each inspection the newest.
    """

    number: int = 0
    cases: tuple[Case, ...] = ()

    @classmethod
    def up_to(cls, number: int, archive: Archive) -> Experience:
        """The first cases of a line, as many as there were at some time.

        Raises:
            HistoryError: If they cannot be read.
        """
        return cls(number, tuple(newest(Cases(archive).up_to(number)))) if number else cls()

    @cached_property
    def confidence(self) -> Confidence:
        """How probable it is that a verdict is right."""
        return Confidence([_judged(case) for case in self.cases])

    def rank(self, opinion: Opinion) -> Standing:
        """How far an opinion can be trusted: beside those of the same model, asked the same way."""
        asked = (opinion.model, opinion.revision, opinion.prompts_version, opinion.from_logits)
        good: list[float] = []
        defective: list[float] = []
        for case in self.cases:
            then = case.opinion
            if then is None:
                continue
            if (then.model, then.revision, then.prompts_version, then.from_logits) == asked:
                (good if case.verdict == "accept" else defective).append(then.no_defect)
        return standing(opinion.no_defect, good, defective)


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


class Judgements:
    """The cases of a line as they are now, looked at before each inspection.

    Args:
        archive: The stored inspections of the line.
        number: Only so many of them, as when an inspection of then is made again.
    """

    def __init__(self, archive: Archive, number: int | None = None) -> None:
        self._archive = archive
        self._fixed = number
        self.now = Experience()

    def refresh(self) -> bool:
        """Look again; says whether there are others now. What cannot be read counts as none."""
        try:
            number = len(Cases(self._archive)) if self._fixed is None else self._fixed
            if number == self.now.number:
                return False
            self.now = Experience.up_to(number, self._archive)
        except HistoryError:
            # Whoever stores the inspection will say what is wrong with the file.
            return False
        return True
