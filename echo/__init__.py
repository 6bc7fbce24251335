"""Echo inspects industrial products from images, on your own machine.

from echo import Inspector, ProductLine

line = ProductLine.enroll("washer", "photos/good")
print(Inspector(line).inspect("photos/new.png").decision.reason)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from echo.again import Replayed, replay_inspection
    from echo.cases import Case
    from echo.inspector import Failure, Inspector
    from echo.language import open_mllm
    from echo.line import ProductLine
    from echo.review import Review, Reviews
    from echo.which import LineFinder, which_line
    from experts.decoder.encoder import register_encoder
    from experts.dialogue import Answer
    from experts.errors import (
        DamagedLineError,
        EchoError,
        EnrolError,
        HistoryError,
        ImageError,
        IncompatibleLineError,
        KnowledgeError,
        LineError,
        MLLMAnswerError,
        MLLMError,
        MLLMSettingError,
        MLLMUnavailableError,
        OutputError,
        QuestionError,
        UnknownLineError,
        WeightsError,
    )
    from experts.evidence import Decision, Inspection, Opinion, Region
    from experts.lines import LineGuess
    from experts.mllm import MLLM, Message, Question, ScriptedMLLM

__version__ = "0.2.0"

# Resolved at first use, so that importing echo takes no time: torch alone takes seconds.
_HOME_OF = {
    "Answer": "experts.dialogue",
    "Case": "echo.cases",
    "DamagedLineError": "experts.errors",
    "Decision": "experts.evidence",
    "EchoError": "experts.errors",
    "EnrolError": "experts.errors",
    "Failure": "echo.inspector",
    "HistoryError": "experts.errors",
    "ImageError": "experts.errors",
    "IncompatibleLineError": "experts.errors",
    "Inspection": "experts.evidence",
    "Inspector": "echo.inspector",
    "KnowledgeError": "experts.errors",
    "LineError": "experts.errors",
    "LineFinder": "echo.which",
    "LineGuess": "experts.lines",
    "MLLM": "experts.mllm",
    "MLLMAnswerError": "experts.errors",
    "MLLMError": "experts.errors",
    "MLLMSettingError": "experts.errors",
    "MLLMUnavailableError": "experts.errors",
    "Message": "experts.mllm",
    "Opinion": "experts.evidence",
    "OutputError": "experts.errors",
    "ProductLine": "echo.line",
    "Question": "experts.mllm",
    "QuestionError": "experts.errors",
    "Region": "experts.evidence",
    "Replayed": "echo.again",
    "Review": "echo.review",
    "Reviews": "echo.review",
    "ScriptedMLLM": "experts.mllm",
    "UnknownLineError": "experts.errors",
    "WeightsError": "experts.errors",
    "open_mllm": "echo.language",
    "register_encoder": "experts.decoder.encoder",
    "replay_inspection": "echo.again",
    "which_line": "echo.which",
}

__all__ = [
    "MLLM",
    "Answer",
    "Case",
    "DamagedLineError",
    "Decision",
    "EchoError",
    "EnrolError",
    "Failure",
    "HistoryError",
    "ImageError",
    "IncompatibleLineError",
    "Inspection",
    "Inspector",
    "KnowledgeError",
    "LineError",
    "LineFinder",
    "LineGuess",
    "MLLMAnswerError",
    "MLLMError",
    "MLLMSettingError",
    "MLLMUnavailableError",
    "Message",
    "Opinion",
    "OutputError",
    "ProductLine",
    "Question",
    "QuestionError",
    "Region",
    "Replayed",
    "Review",
    "Reviews",
    "ScriptedMLLM",
    "UnknownLineError",
    "WeightsError",
    "__version__",
    "open_mllm",
    "register_encoder",
    "replay_inspection",
    "which_line",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'echo' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
