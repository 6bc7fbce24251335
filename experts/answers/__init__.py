"""Answers from evidence alone: what a question asks is read by its words, in English and German."""

from experts.answers.known import NOT_THERE, Known, Told
from experts.answers.reading import Asked, Before, read_question
from experts.answers.telling import HELP, NOTHING, tell
from experts.answers.topics import Topic

__all__ = [
    "HELP",
    "NOTHING",
    "NOT_THERE",
    "Asked",
    "Before",
    "Known",
    "Told",
    "Topic",
    "read_question",
    "tell",
]
