"""Answers from evidence alone: what a question asks is read by its words, in English and German."""

from experts.answers.known import Known, Told
from experts.answers.reading import Asked, Topic, read_question
from experts.answers.telling import HELP, NOTHING, tell

__all__ = ["HELP", "NOTHING", "Asked", "Known", "Told", "Topic", "read_question", "tell"]
