"""The embedded model as one backend of the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from experts.evidence import Verdict
from experts.mllm.base import Choice, Message
from experts.mllm.local.model import LocalMLLM
from experts.mllm.nano.texts import with_options
from experts.sheet import decides, names_found, read_verdict, restatements

Asking = tuple[Sequence[Message], tuple[str, ...]]


class NanoMLLM(LocalMLLM):
    """Reads and puts in words what experts found; it sees no images and draws no conclusions.

    ``choose`` lists the options behind the question and weighs their texts: letters mean nothing to
    a model of this size. Between yes and no it is asked what the question asks, in plain words, and
    code says yes or no by the verdict on the page: only a question that is read wrong gets the
    wrong one. Questions that name a place or a kind are weighed as any options are.
    """

    sees = False

    def _choose(self, asked: Sequence[Asking]) -> list[Choice]:
        verdicts = [_deciding(messages, options) for messages, options in asked]
        plain = tuple(restatements().values())
        put: list[Asking] = [
            (messages, plain) if verdict else (with_options(messages, options), options)
            for (messages, options), verdict in zip(asked, verdicts, strict=True)
        ]
        return [
            _yes_or_no(choice, options, verdict) if verdict else choice
            for choice, (_, options), verdict in zip(
                super()._choose(put), asked, verdicts, strict=True
            )
        ]


def _deciding(messages: Sequence[Message], options: tuple[str, ...]) -> Verdict | None:
    """The verdict that decides between these options, if they are yes and no."""
    if {_bare(option) for option in options} != {"yes", "no"}:
        return None
    lines = [part for m in messages for part in m.content if isinstance(part, str)]
    page = "\n".join(lines)
    # Where page and question are one text, the question is its last line.
    question = lines[-1] if len(lines) > 1 else page.rpartition("\n")[2]
    return None if names_found(question, page) else read_verdict(page)


def _yes_or_no(choice: Choice, options: tuple[str, ...], verdict: Verdict) -> Choice:
    """What is probably asked as yes and no.

    What is not decided counts as both alike, but a part that waits for a person is not called good.
    """
    yes = 0.0
    for asked, share in zip(restatements(), choice.probabilities, strict=True):
        is_so = decides(asked, verdict)
        open_ = 0.0 if asked == "flawless" else 0.5
        yes += share * (open_ if is_so is None else float(is_so))
    shares = tuple(yes if _bare(option) == "yes" else 1 - yes for option in options)
    return replace(choice, options=options, probabilities=shares)


def _bare(option: str) -> str:
    return option.strip().rstrip(".!").casefold()
