"""A thousand knowledge files that went wrong: each loads completely, or is refused in words."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from experts.errors import KnowledgeError
from experts.knowledge import MAX_FILE_BYTES, Knowledge, parse_knowledge

CASES = 1000
PATH = Path("rules/washer.yaml")
# Of one processor; a file as people write it takes a hundredth of this.
MAX_S = 5.0

BASE = """\
# Rules of the washer.
product: washer
normal: >-
  A bright ring, 3 mm
  wide.
mm_per_px: 0.5
views: [{name: top, match: "*_t.*"}]
zones:
  - name: rim
    box: [0, 0, 1, 0.25]
defects:
  - name: pit
    synonyms: [hole, "no 7"]
    appearance: |
      Dark.
    severity: minor
    clauses:
      - {id: pit.count, quantity: count, at_most: 2}
      - id: pit.rim   # near the edge
        zone: rim
        quantity: area
        at_most: 4.5
        unit: mm
        then: review
        note: 'Look again.'
  - name: crack
    appearance: A line.
    severity: critical
    clauses: [{id: crack.any, allowed: none}]
clauses:
  - {id: any.edge, quantity: distance_to_edge, at_least: 3, unit: px}
"""

ODD_VALUES = """\
3|'3'|3.0|-1|-0|+3|1e3|1e999|1E400|.5|5.|1_000|017|0o17|0x1F|0b11|1:30|190:20:30.5|.nan|.inf|-.INF
0.1e-400|٣|−3|null|~||true|yes|NO|on|[]|{}|[[]]|[1, 2|{a: b|{a, b}|[a: 1]|'|"|"\\x00"|"\\ud800"
"\\u202e"|"\\U0001F600"|"\\q"|''|" "|"\\t"|2024-01-01|2024-02-30|2024-01-01T25:00:00Z|24-1-1
!!str 3|!!int x|!!float x|!!binary aGk=|!!binary é|!!timestamp 5|!!set {a, b}|!!omap [a: 1]|! y
!!python/name:os.x|!x y|!<x> y|!!null x|!!bool 7|!!merge a|!!map [1]|!!seq {a: 1}|*a|&a x|&a|<<|=
? x|@x|`x|%x|- x|: x|# x|>|>-2|>+|>9|!!pairs [a: 1]|-- x|--- x|... x|x: y: z|"a" b|'a''|, x|[,]|{,}
{:}|{?}|\\|a #b|a:b"""
VALUES = [value for line in ODD_VALUES.splitlines() for value in line.split("|")]
LONG_VALUES = [
    "9",
    "0x{}f",
    "0o{}7",
    "0.{}1",
    "1e{}9",
    "1{}_",
    "1{}:59",
    "a",
    "a ",
    "'{}''",
    '"{}\\n',
]
KEYS = """\
null|~|3|.nan|true|2024-01-01|[1]|{a: 1}|? [a]|? {a: 1}|<<|!!str a|"a"|''|é|product |a b|=|-|? x
defects|alpha|product|!!merge x|0x10|"\\0"|*a|&a b|prompts|questions|aliases"""
SIGNS = (
    "\0 \x07 \x1b \x7f \x85 \xa0 \xad \u200b \u200f \u202e \u2028 \u2066 "
    "\ufeff \ufffe \uffff é ﬁ e\u0301 🙂"
)
# What no text encodes: halves of surrogates, too long forms, bytes of other encodings.
BYTES = [
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xc0\x80",
    b"\xff",
    b"\xe4",
    b"\xf4\x90\x80\x80",
    b"\0",
]

Mutate = Callable[[random.Random, bytes], bytes]


def of_lines(change: Callable[[random.Random, list[str]], None]) -> Mutate:
    """A change to the lines of a text; what is no text any more stays as it is."""

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        lines = raw.decode("utf-8", "replace").split("\n")
        change(rng, lines)
        return "\n".join(lines).encode("utf-8", "surrogatepass")

    return mutate


def any_line(rng: random.Random, lines: list[str]) -> int:
    return rng.randrange(len(lines))


def delete(rng: random.Random, lines: list[str]) -> None:
    del lines[any_line(rng, lines)]
    lines.append("")


def double(rng: random.Random, lines: list[str]) -> None:
    at = any_line(rng, lines)
    lines.insert(rng.choice([at, any_line(rng, lines)]), lines[at])


def swap(rng: random.Random, lines: list[str]) -> None:
    a, b = any_line(rng, lines), any_line(rng, lines)
    lines[a], lines[b] = lines[b], lines[a]


def indent(rng: random.Random, lines: list[str]) -> None:
    at = any_line(rng, lines)
    lines[at] = rng.choice([" " + lines[at], lines[at][1:], "\t" + lines[at], lines[at] + " \t"])
    if rng.random() < 0.3:
        lines[at] = lines[at].replace(" ", "\t", 1)


def put_value(rng: random.Random, lines: list[str], value: str) -> None:
    at = rng.choice([n for n, line in enumerate(lines) if ": " in line] or [0])
    start = lines[at].find(": ") + 2
    end = rng.choice([len(lines[at]), max(lines[at].find(",", start), start)])
    lines[at] = lines[at][:start] + value + lines[at][end:]


def odd_value(rng: random.Random, lines: list[str]) -> None:
    put_value(rng, lines, rng.choice(VALUES))


def long_value(rng: random.Random, lines: list[str]) -> None:
    form, length = rng.choice(LONG_VALUES), rng.choice([30, 400, 5_000, 50_000])
    head, _, unit = form.partition("{}") if "{}" in form else ("", "", form)
    put_value(rng, lines, head + unit * length)


def odd_key(rng: random.Random, lines: list[str]) -> None:
    at = any_line(rng, lines)
    depth = rng.choice([0, len(lines[at]) - len(lines[at].lstrip())])
    key = rng.choice([*KEYS.replace("\n", "|").split("|"), "k" * 200, "k" * 2000])
    line = f"{' ' * depth}{key}: {rng.choice(VALUES)}"
    lines[at:at] = [line] * rng.choice([1, 1, 2])


def merge(rng: random.Random, lines: list[str]) -> None:
    at = any_line(rng, lines)
    depth = rng.choice([0, len(lines[at]) - len(lines[at].lstrip())])
    what = ["{a: 1}", "{normal: x}", "[{id: x}]", "{name: y}", "3", "*a", "[]", "&a {part: b}"]
    lines.insert(at, f"{' ' * depth}<<: {rng.choice(what)}")


def anchor(rng: random.Random, lines: list[str]) -> None:
    put_value(rng, lines, "&a " + rng.choice(VALUES))
    put_value(rng, lines, rng.choice(["*a", "*b", "&a x"]))


def bomb(rng: random.Random, lines: list[str]) -> None:
    depth, width = rng.randint(2, 12), rng.randint(2, 12)
    laughs = ["a0: &a0 [ha]"]
    laughs += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    lines[0:0] = rng.choice([laughs, [f"normal: &x [{', '.join(['*x'] * width)}]"]])


def deep(rng: random.Random, lines: list[str]) -> None:
    depth = rng.choice([5, 15, 19, 25, 300, 3000])
    opened, closed = rng.choice([("[", "]"), ("{a: ", "}"), ("[{a: ", "}]"), ("[", "")])
    if rng.random() < 0.3:
        lines.extend(" " * n + "a:" for n in range(min(depth, 300)))
    else:
        put_value(rng, lines, opened * depth + "x" + closed * depth)


def directive(rng: random.Random, lines: list[str]) -> None:
    known = ["%YAML 1.1", "%YAML 1.2", "%YAML 2.0", "%YAML x", "%TAG ! tag:x,1:", "%FOO bar", "%"]
    lines[0:0] = [rng.choice(known), rng.choice(["---", "---", "--- |", "--- !x", ""])]
    if rng.random() < 0.6:
        odd_value(rng, lines)


def documents(rng: random.Random, lines: list[str]) -> None:
    lines.insert(any_line(rng, lines), rng.choice(["---", "...", "--- x", "... x"]))


def sign(rng: random.Random, lines: list[str]) -> None:
    at = any_line(rng, lines)
    where = rng.choice([0, len(lines[at]), rng.randint(0, len(lines[at]))])
    lines[at] = lines[at][:where] + rng.choice(SIGNS.split(" ")) + lines[at][where:]


def no_text(rng: random.Random, raw: bytes) -> bytes:
    at = rng.randint(0, len(raw))
    return raw[:at] + rng.choice(BYTES) + raw[at:]


def truncate(rng: random.Random, raw: bytes) -> bytes:
    return raw[: rng.randint(0, len(raw))]


def flip(rng: random.Random, raw: bytes) -> bytes:
    changed = bytearray(raw or b"x")
    for _ in range(rng.choice([1, 1, 2, 8, 50])):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def encode(rng: random.Random, raw: bytes) -> bytes:
    text = raw.decode("utf-8", "replace") + "# ä"
    name = rng.choice(["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "cp037", "utf-7"])
    return text.encode(name, "replace")


def newlines(rng: random.Random, raw: bytes) -> bytes:
    ends = [b"\r\n", b"\r", b"\n\r", b"\r\r\n", b"\n\n", "\u2028".encode(), "\x85".encode(), b" \n"]
    return raw.replace(b"\n", rng.choice(ends), rng.choice([-1, 1, 5]))


LIGHT: list[Mutate] = [
    *map(of_lines, (delete, double, swap, indent, odd_value, odd_value, odd_value, long_value)),
    *map(of_lines, (odd_key, odd_key, merge, anchor, bomb, deep, directive, documents, sign)),
    *(no_text, truncate, flip, flip, encode, newlines),
]

# Repeated until the file is as large as it may be, with what comes before and after.
FILLS: list[tuple[bytes, bytes, bytes]] = [
    (b"aliases: [", b"a,", b"]\n"),
    (b"aliases: [", b"{},", b"]\n"),
    (b"aliases:\n", b"- &a x\n", b""),
    (b"aliases:\n", b"- !!str x\n", b""),
    (b"defects:\n", b"- {}\n", b""),
    (b"clauses:\n", b"- {id: 3}\n", b""),
    (b"alpha: 0x", b"f", b"\n"),
    (b"alpha: [", b"[", b"\n"),
    (b"part: ", b"a ", b"\n"),
    (b"", b"? \n", b""),
    (b"", b"#\n", b""),
    (b"", b"---\n", b""),
]


def full(case: int) -> bytes:
    """A file as large as it may be, of one thing over and over."""
    before, unit, after = FILLS[case % len(FILLS)]
    begin = b"product: p\nnormal: n\n" + before
    return begin + unit * ((MAX_FILE_BYTES - len(begin) - len(after)) // len(unit)) + after


def mutated(case: int) -> bytes:
    """A broken file, the same one each time."""
    # Not for secrets, but to be the same each time.
    rng = random.Random(case)
    if case < len(FILLS):
        return full(case)
    if case % 100 == 99:
        return BASE.encode() + rng.choice([b"#", b"\n", b"[", b"a: b\n"]) * 10_000_000
    raw = BASE.encode()
    for mutate in rng.choices(LIGHT, k=rng.choice([1, 1, 1, 2, 3])):
        raw = mutate(rng, raw)
    return raw


def reference(raw: bytes) -> list[tuple[Any, ...]]:
    """The clauses of a file, read without any of the code that is tested."""
    document = YAML(typ="safe", pure=True).load(raw.decode("utf-8-sig"))
    defects = [(d["name"].strip(), d.get("clauses", [])) for d in document.get("defects", [])]
    named = [*defects, (None, document.get("clauses", []))]
    return [
        (name, rule["id"].strip(), *map(rule.get, ("quantity", "at_most", "at_least", "unit")))
        for name, rules in named
        for rule in rules
    ]


def clauses_of(rules: Knowledge) -> list[tuple[Any, ...]]:
    """The same of what was loaded, once by the file's fields and once by what is computed."""
    named = [*((d.name, d.clauses) for d in rules.file.defects), (None, rules.file.clauses)]
    pairs = [(name, rule) for name, clauses in named for rule in clauses]
    assert len(pairs) == len(rules.clauses)
    for (name, rule), clause in zip(pairs, rules.clauses, strict=True):
        limit = rule.at_least if rule.at_least is not None else rule.at_most
        assert (clause.defect, clause.id, clause.limit) == (name, rule.id, limit or 0.0)
        assert (clause.quantity, clause.unit) == (rule.quantity or "count", rule.unit or "")
    return [(n, r.id, r.quantity, r.at_most, r.at_least, r.unit) for n, r in pairs]


def outcome(raw: bytes) -> str:
    """``loaded`` or ``refused``; else what is wrong with how the file was taken."""
    start = time.process_time()
    try:
        rules = parse_knowledge(raw, PATH)
    except KnowledgeError as error:
        begins = str(error).startswith(f"{PATH}:")
        result = "refused" if begins else f"names no file: {error}"[:200]
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:200]
    else:
        result = compared(rules, raw)
    seconds = time.process_time() - start
    return result if seconds < MAX_S else f"took {seconds:.1f} s"


def compared(rules: Knowledge, raw: bytes) -> str:
    try:
        expected = reference(raw)
    except Exception as error:
        return f"loaded what is no YAML: {error}"[:200]
    return "loaded" if clauses_of(rules) == expected else "loaded other clauses"


def test_the_reference_reads_the_file_as_it_is() -> None:
    assert outcome(BASE.encode()) == "loaded"
    assert reference(BASE.encode()) == [
        ("pit", "pit.count", "count", 2, None, None),
        ("pit", "pit.rim", "area", 4.5, None, "mm"),
        ("crack", "crack.any", None, None, None, None),
        (None, "any.edge", "distance_to_edge", None, 3, "px"),
    ]


def test_a_broken_file_loads_completely_or_is_refused_in_words() -> None:
    outcomes = {case: outcome(mutated(case)) for case in range(CASES)}
    others = {case: o for case, o in outcomes.items() if o not in ("loaded", "refused")}
    assert others == {}
    counts = Counter(outcomes.values())
    # Neither is the reader fooled by all, nor does it refuse all.
    assert counts["loaded"] > CASES // 20
    assert counts["refused"] > CASES // 2


@pytest.mark.parametrize("case", [20, 400, 999])
def test_the_same_files_each_time(case: int) -> None:
    assert mutated(case) == mutated(case)
    assert mutated(case) != BASE.encode()
