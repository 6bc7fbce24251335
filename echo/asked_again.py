"""Asks today's language model about an image of which one gave its opinion before.

The verdict of then rests on the opinion of then, which is stored. So what is said today, by the
same model or by another, is worth knowing and changes nothing.
"""

from __future__ import annotations

from echo.inspector import Inspector, Then
from echo.language import Language
from echo.line import ProductLine
from experts.decision import is_suspicious
from experts.evidence import Inspection, Opinion
from experts.images import Picture
from experts.mllm import MLLM

_WITHOUT_MODEL = "without language model: "


def ask_again(
    stored: Inspection,
    line: ProductLine,
    picture: Picture,
    then: Then,
    *,
    view: str | None,
    mllm: MLLM | str | None,
) -> tuple[str, ...]:
    """What a language model says of an image today, beside what was said then, in sentences.

    Args:
        stored: The inspection; without an opinion nobody is asked again.
        line: The line.
        picture: The image.
        then: What the inspection rested on.
        view: The view that the user said the image shows.
        mllm: The language model, or what names one; by default what is set for the line.

    Raises:
        EchoError: If the image cannot be inspected.
    """
    if stored.opinion is None:
        return ()
    inspector = Inspector(line, keep=False, mllm=mllm, then=then._replace(opinion=None))
    now = inspector.inspect_picture(picture, view=view)
    if now.opinion is None:
        language = Language(line.home, line.name, mllm)
        why = _why_not(now, then.rules.alpha, language)
        return (
            f"the opinion of {stored.opinion.model}, {_best(stored.opinion)}, could not be asked "
            f"for again ({why}); the verdict rests on what it said then",
        )
    return _compared(stored.opinion, now.opinion)


def _why_not(now: Inspection, alpha: float, language: Language) -> str:
    if not is_suspicious(now.anomaly, alpha):
        return "the image is clearly normal now"
    if faults := [fault for fault in now.faults if fault.startswith(_WITHOUT_MODEL)]:
        return "; ".join(faults)
    if not language.wanted:
        return "none is set"
    model = language.model()
    return (
        "none that is here fits this machine" if model is None else f"{model.name} sees no images"
    )


def _compared(then: Opinion, now: Opinion) -> tuple[str, ...]:
    notes = []
    if (then.model, then.revision) != (now.model, now.revision):
        was, is_ = (f"{opinion.model} (revision {opinion.revision})" for opinion in (then, now))
        notes.append(
            f"asked today was another language model: {is_} sees {_best(now)}; {was} saw "
            f"{_best(then)}, on which the verdict rests"
        )
    elif (then.candidates, then.probabilities) == (now.candidates, now.probabilities):
        notes.append(f"the opinion of {then.model} is the same: {_best(then)}")
    else:
        notes.append(
            f"the opinion of {then.model} was {_best(then)}, on which the verdict rests; asked "
            f"today, it is {_best(now)}"
        )
    if then.prompts_version != now.prompts_version:
        notes.append(
            f"it was asked with version {then.prompts_version} of the prompts then, and with "
            f"version {now.prompts_version} today"
        )
    return tuple(notes)


def _best(opinion: Opinion) -> str:
    share, name = max(zip(opinion.probabilities, opinion.candidates, strict=True))
    return f"{name} {share:.1%}"
