"""How far a language model's opinion can be trusted, by parts that people have judged.

An opinion is a number without a meaning of its own: one model says 0.9 of every part, another 0.1.
So it is ranked among the same model's opinions on judged parts, as the decoder's scores are ranked
among normal ones (``experts.decoder.conformal``). A model that tells nothing is out of line with
them no more often than alpha, and one that was shown few judged parts cannot be at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from experts.decoder.conformal import images_needed
from experts.evidence import Standing, Verdict

# How the words on an opinion that counts begin.
CONTESTS = "It contests the verdict: "


def standing(
    opinion_no_defect: float, good: Sequence[float], defective: Sequence[float]
) -> Standing:
    """Rank an opinion among those on judged parts. Ties count against it, and so does a NaN.

    Args:
        opinion_no_defect: The model's probability of "no defect", of this part.
        good: The same of parts that people judged good; the same model, asked the same way.
        defective: Of parts that they judged defective.
    """
    worse = sum(not other > opinion_no_defect for other in good)
    better = sum(not other < opinion_no_defect for other in defective)
    return Standing(
        good=len(good),
        defective=len(defective),
        p_if_good=(1 + worse) / (len(good) + 1),
        p_if_defective=(1 + better) / (len(defective) + 1),
    )


def contests(verdict: Verdict, standing: Standing, alpha: float) -> bool:
    """Whether the opinion is a ground for a person to look at a part that was not clearly normal.

    A rejected part is contested if it looks as good as at most alpha of the defective ones do, an
    accepted one if it looks as bad as at most alpha of the good ones. If the part and those that
    were judged are exchangeable, at most alpha of the right verdicts are contested, whatever the
    model (Vovk et al. 2005, ch. 2).

    Args:
        verdict: What was decided without it; a review is not contested.
        standing: Of the opinion.
        alpha: The false-reject rate that the line promises.
    """
    if verdict == "review":
        return False
    return _p_if_right(verdict, standing) <= alpha * (1 + 1e-9)


def standing_in_words(verdict: Verdict, standing: Standing, alpha: float) -> str:
    """What the opinion counts for, as a sentence without its stop; empty for a review.

    Args and the rule are those of ``contests``.
    """
    if verdict == "review":
        return ""
    kind, how = ("defective", "good") if verdict == "reject" else ("good", "bad")
    there = standing.defective if verdict == "reject" else standing.good
    needed = images_needed(alpha)
    if there < needed:
        return (
            f"It has no say in the verdict: {needed} judged {kind} parts are needed, {there} "
            f"{'is' if there == 1 else 'are'} there"
        )
    p = _p_if_right(verdict, standing)
    alike = round(p * (there + 1)) - 1
    said = (
        f"{alike or 'none'} of {there} parts judged {kind} {'looks' if alike == 1 else 'look'} "
        f"at least as {how} to it (p = {p:.2g})"
    )
    if contests(verdict, standing, alpha):
        return f"{CONTESTS}{said}"
    return f"It does not contest the verdict: {said}"


def _p_if_right(verdict: Verdict, standing: Standing) -> float:
    return standing.p_if_defective if verdict == "reject" else standing.p_if_good
