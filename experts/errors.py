"""The one exception tree. Every message says what was expected, what came, and what to do.

EchoError
├── ImageError          a picture cannot be read or used
├── EnrolError          the images do not suffice to enrol a line, or to teach it a kind of defect
├── LineError           a product line cannot be found, read or written
│   ├── UnknownLineError
│   ├── DamagedLineError
│   └── IncompatibleLineError
├── KnowledgeError      a knowledge file is at fault
├── InspectionError     an expert failed, so that an image has no verdict
├── HistoryError        the stored inspections of a line cannot be read or written
├── QuestionError       a question about an inspection cannot be answered as it is
├── WeightsError        model weights are missing or not the expected ones
├── MLLMError           a multimodal language model is of no help
│   ├── MLLMSettingError      the setting names none that there is
│   ├── MLLMUnavailableError  it cannot be loaded or reached, or it broke down
│   └── MLLMAnswerError       it answered, but with nothing that can be used
├── TrainingError       a training run cannot begin or go on
├── BenchmarkError      the data of a benchmark are missing or are not what they should be
└── OutputError         results cannot be written where the user asked for them
"""

from __future__ import annotations


class EchoError(Exception):
    """Base of every error that Echo raises on purpose; its text is one sentence for a person."""


class ImageError(EchoError):
    """A picture cannot be read or used."""


class EnrolError(EchoError):
    """The images do not suffice to enrol a product line, or to teach it a kind of defect."""


class LineError(EchoError):
    """A product line cannot be found, read or written."""


class UnknownLineError(LineError):
    """No line of that name is enrolled."""


class DamagedLineError(LineError):
    """A file of the line is missing or is not what its manifest says."""


class IncompatibleLineError(LineError):
    """The line was made by another encoder or another format version."""


class KnowledgeError(EchoError):
    """A knowledge file is at fault."""


class InspectionError(EchoError):
    """An expert failed in a way that nobody foresaw, so that an image has no verdict."""


class HistoryError(EchoError):
    """The stored inspections of a line cannot be read or written."""


class QuestionError(EchoError):
    """A question about an inspection is empty or too long."""


class WeightsError(EchoError):
    """Model weights are missing or are not the expected ones."""


class MLLMError(EchoError):
    """A multimodal language model is of no help."""


class MLLMSettingError(MLLMError):
    """The setting names no language model that there is."""


class MLLMUnavailableError(MLLMError):
    """The language model cannot be loaded or reached, or it broke down."""


class MLLMAnswerError(MLLMError):
    """The language model answered, but with nothing that can be used."""


class TrainingError(EchoError):
    """A training run cannot begin, or cannot go on where it was."""


class BenchmarkError(EchoError):
    """The data of a benchmark are missing, or are not what they should be."""


class OutputError(EchoError):
    """Results cannot be written where the user asked for them."""
