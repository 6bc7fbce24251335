"""What the embedded language model learns from: sheets of evidence, and questions with answers.

Questions with answers made from what is known, and not from what somebody thinks of an image, are
those of EIAD (training questions made from real labels).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ask:
    """A question on a sheet, and what is right.

    Attributes:
        about: What it asks, for example ``place``; figures are told for each.
        question: In one of many wordings.
        answer: The right one: an option, one of the lesson's sentences, or several of them.
        wrong: Others to choose from; with none of these the answer is to be said.
        many: Whether the answer is made of several sentences.
    """

    about: str
    question: str
    answer: str
    wrong: tuple[str, ...] = ()
    many: bool = False


@dataclass(frozen=True)
class Lesson:
    """A sheet and what is asked on it.

    Attributes:
        line: Whose sheet it is, for example ``invented`` or ``tile``.
        sheet: See ``experts.sheet``.
        sayable: All sentences that are right to say.
        asks: The questions.
    """

    line: str
    sheet: str
    sayable: tuple[str, ...]
    asks: tuple[Ask, ...]
