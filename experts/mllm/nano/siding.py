"""Makes sure that "yes" and "no" are the Decision Maker's, whatever way round a question is put.

A small model may read "Anything against shipping it?" the wrong way round. So it is asked the same
of an accepted and of a rejected part: what it answers to both tells what "yes" means here, and code
says it of this part. Where both answers are alike the question is not understood, and neither word
is said; the verdict is.
"""

from __future__ import annotations

import re
from typing import Literal

from experts.evidence import Verdict
from experts.mllm.base import MLLM
from experts.mllm.nano.texts import on_sheet, texts

Side = Literal["good", "bad"]
_BEGINS = re.compile(r"\s*(yes|no)\b[,:.;]?\s+(?=\S)", re.IGNORECASE)
_OPTIONS = ("Yes", "No")


def yes_means(model: MLLM, question: str) -> Side | None:
    """What "yes" would say of a part; ``None`` if the question does not ask for that.

    Args:
        model: The embedded model.
        question: A question of the part as a whole.

    Raises:
        MLLMError: If the model is of no help.
    """
    pages = texts().accepted, texts().rejected
    said = tuple(model.choose(on_sheet(page, question), _OPTIONS).best for page in pages)
    sides: dict[tuple[str, ...], Side] = {("Yes", "No"): "good", ("No", "Yes"): "bad"}
    return sides.get(said)


def with_side(model: MLLM, question: str, answer: str, verdict: Verdict) -> str:
    """An answer on a part as a whole with the right "yes" or "no" before it, or with neither.

    Args:
        model: The embedded model.
        question: What was asked.
        answer: As the model wrote it.
        verdict: The Decision Maker's; of a part that waits for a person neither word is right.

    Raises:
        MLLMError: If the model is of no help.
    """
    begins = _BEGINS.match(answer)
    if begins is None:
        return answer
    rest = answer[begins.end() :]
    side = yes_means(model, question) if verdict != "review" else None
    if side is None:
        return f"{rest[:1].upper()}{rest[1:]}"
    return f"{'Yes' if (side == 'good') == (verdict == 'accept') else 'No'}, {rest}"
