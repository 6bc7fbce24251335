"""Chooses among the options of a question by evidence alone, and says how probable each is."""

from experts.choosing.asking import About, what_is_asked
from experts.choosing.choosing import Grounds, Weighed, weigh

__all__ = ["About", "Grounds", "Weighed", "weigh", "what_is_asked"]
