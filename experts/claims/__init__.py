"""Explanations that cannot contradict their evidence: each claim of a text is checked.

A language model may word what was found. What it says of the verdict, of places, sizes, numbers,
kinds, looks and rules is compared with the evidence, in code and sentence by sentence; a wrong
sentence is corrected or left out.
"""

from experts.claims.checking import Checked, check
from experts.claims.facts import Facts

__all__ = ["Checked", "Facts", "check"]
