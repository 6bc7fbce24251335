"""How regions, kinds, clauses and measured values are called in sentences."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from experts.decoder.conformal import percent
from experts.evidence import ClauseCheck, Region, TwinScore, Unruled

# Of the defects that a place may be, so many are named.
MAX_NAMED = 4
# Spelt letter by letter, and begun with "you".
_SPELT = re.compile(r"[A-Z]{2,4}\b|[A-Z](?=[-\d])")
_SPELT_WITH_AN = frozenset("AEFHILMNORSX")
_LIKE_YOU = re.compile(r"u(ni(?!n|m|d)|re|se|te|ti)|eu|one\b")
_EIGHT = re.compile(r"(8|11|18)(?!\d)")


def article_of(words: str) -> str:
    """The article before some words: ``an`` LED, ``a`` USB plug, ``an`` M8 bolt, ``a`` unit."""
    if _SPELT.match(words):
        return "an" if words[0] in _SPELT_WITH_AN else "a"
    first = words.casefold()
    begins = first[:1] in set("aeiou") or _EIGHT.match(first)
    return "an" if begins and not _LIKE_YOU.match(first) else "a"


def describe(region: Region) -> str:
    """A region in words: looks, size and place."""
    return f"{look_of(region)} of about {size_of(region)} {where_of(region)}"


def size_of(region: Region) -> str:
    """Length and width of a region, for example ``12 × 2 mm``."""
    if region.length_mm is not None and region.width_mm is not None:
        return f"{in_words(region.length_mm, 2)} × {in_words(region.width_mm, 2)} mm"
    return f"{region.length_px:.0f} × {region.width_px:.0f} px"


def where_of(region: Region) -> str:
    """Where a region is, for example ``at the top left``."""
    return f"{'in' if region.place == 'centre' else 'at'} the {region.place}"


def look_of(region: Region) -> str:
    """What a region looks like, for example ``an odd area``."""
    return f"{'an' if region.looks.startswith('odd') else 'a'} {region.looks}"


def set_aside_in_words(twin: TwinScore) -> str:
    """Why a visible difference from a twin does not count; empty if there is none such."""
    if twin.difference <= twin.limit or twin.stands_out:
        return ""
    return (
        f"; it differs from {twin.path.name} on {percent(twin.area)} of the area, as normal images "
        "do that show different parts, so this does not count"
    )


def kinds_in_words(region: Region) -> str:
    """What kind a region is taken for, as it follows its description; empty if nothing tells."""
    if region.kinds is None:
        return ""
    if region.kinds.unknown:
        return "of no kind that was shown"
    verb = "taken for" if len(region.kinds.names) == 1 else "which may be"
    return f"{verb} {region.kinds.in_words}"


def in_words(value: float, digits: int) -> str:
    """A number with ``digits`` significant digits, and never an exponent for a large one."""
    return f"{value:.{digits}g}" if value < 10**digits else f"{value:.0f}"


def times_in_words(times: float) -> str:
    """How many times a limit something is: enough digits to tell on which side of it that lies."""
    if times < 0.05:
        return "less than 0.1"
    texts = (f"{times:.{digits}f}" for digits in range(1, 9))
    return next((text for text in texts if times == 1 or float(text) != 1), f"{times!r}")


def measured_in_words(check: ClauseCheck) -> str:
    """The measured value with its unit, and enough digits to tell it from the limit."""
    clause = check.clause
    if math.isinf(check.measured):
        return "none"
    limit = f"{clause.limit:g}"
    texts = (in_words(check.measured, digits) for digits in range(3, 9))
    beside = "just under" if clause.is_lower else "just over"
    shown = next((t for t in texts if t != limit or check.within), f"{beside} {limit}")
    return shown + clause.unit_in_words + (" or more" if check.or_more else "")


def broken_in_words(check: ClauseCheck, checks: Sequence[ClauseCheck]) -> str:
    """Which clause is broken, by what, and why it counts where the defect is uncertain.

    Args:
        check: The clause.
        checks: All that may apply.
    """
    clause = check.clause
    words = f"clause `{clause.id}` allows {clause.allows}"
    if clause.zone:
        words += f" in {clause.zone}"
    if clause.quantity != "count" or clause.limit:
        words += f", measured {measured_in_words(check)}"
    if clause.note:
        words += f" ({clause.note.rstrip('.')})"
    concerned = [c for c in checks if set(c.region_ids) & set(check.broken_by)]
    names = tuple(dict.fromkeys(c.clause.defect for c in concerned if c.clause.defect))
    if clause.defect and len(names) > 1:
        words += f"; it may be {_one_of(names, clause.defect)}, so the strictest clause counts"
    return words


def _one_of(names: Sequence[str], first: str) -> str:
    """A few names, the most important one first: ``crack, pit or one of 3 more``."""
    ordered = [first, *(name for name in names if name != first)]
    if len(ordered) > MAX_NAMED:
        return f"{', '.join(ordered[:MAX_NAMED])} or one of {len(ordered) - MAX_NAMED} more"
    return f"{', '.join(ordered[:-1])} or {ordered[-1]}"


def unruled_in_words(found: Sequence[Unruled]) -> str:
    """Why what stands out is not allowed although no clause is broken."""
    if not found:
        return "no clause allows anything"
    unruled = found[0]
    where = f" outside of {' and '.join(unruled.zones)}" if unruled.zones else ""
    if unruled.defect is None:
        return f"no clause allows anything{where}"
    return f"no clause allows {unruled.defect}{where} ({unruled.region_id})"
