"""Closer looks at an image: zoom, compare, measure, lookup, and the test of a cause."""

from __future__ import annotations

from experts.tools.call import Call

__all__ = ["Call"]
