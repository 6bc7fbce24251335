"""Writes knowledge files: a first one to fill in, and accepted prompts into one that is there."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.util import load_yaml_guess_indent

from experts.knowledge.reading import MAX_FILE_BYTES, parse_document, parse_knowledge

TEMPLATE = """\
# yaml-language-server: $schema={schema}
# The rules of this product. Save the file, and they count from the next inspection on.
# All limits here are examples: put in what your customer accepts.
product: {product}
part: part
parts: parts

normal: >-
  Say what a good part looks like: shape, surface, colour, what belongs where.

# Highest share of good parts that may be held back.
alpha: 0.05

# How many millimetres a pixel shows: photograph a ruler. Limits in mm need it.
# mm_per_px: 0.05

# Parts of the image that rules can name; left, top, right, bottom, each from 0 to 1.
# zones:
#   - name: bearing surface
#     box: [0.2, 0.3, 0.8, 0.6]

defects:
  - name: crack
    synonyms: [fracture]
    appearance: A thin dark line, often branching.
    effect: Grows under load.
    severity: critical
    clauses:
      - id: crack.none
        allowed: none

  - name: pit
    appearance: A small dark hole.
    severity: minor
    clauses:
      - id: pit.size
        quantity: length
        at_most: 20
        unit: px
      - id: pit.count
        quantity: count
        at_most: 3

# What operators ask, and what you answer.
questions:
  - question: May pits be filled?
    answer: No. Send the part to the foreman.
"""


def first_file(product: str, schema: str) -> str:
    """A knowledge file with comments, to be filled in; it is right as it is.

    Args:
        product: What the images show.
        schema: Where the JSON Schema lies, for the editor.
    """
    # In quotes, whatever is in it.
    return TEMPLATE.format(product=json.dumps(product, ensure_ascii=False), schema=schema)


def with_prompts(raw: bytes, path: Path, abnormal: Sequence[str]) -> bytes:
    """A knowledge file with further abnormal prompts; comments and order stay as they are.

    Args:
        raw: The file.
        path: What messages call it.
        abnormal: The prompts; those that are there already are left out.

    Raises:
        KnowledgeError: If the file is at fault, before or after.
    """
    parse_knowledge(raw, path)
    # Carriage returns would end up in comments.
    text = raw.replace(b"\r\n", b"\n")
    document = parse_document(text, path)
    prompts = document.setdefault("prompts", CommentedMap())
    known = prompts.setdefault("abnormal", CommentedSeq())
    known.extend(text for text in dict.fromkeys(abnormal) if text not in known)
    written = _dumped(document, text.decode("utf-8"))
    if text != raw:
        written = written.replace(b"\n", b"\r\n")
    parse_knowledge(written, path)
    return written


def _dumped(document: CommentedMap, before: str) -> bytes:
    """A document as YAML, indented as the text that it was read from."""
    _, indent, offset = load_yaml_guess_indent(before)
    yaml = YAML(typ="rt")
    # Lines stay as long as people wrote them.
    yaml.width = MAX_FILE_BYTES
    yaml.preserve_quotes = True
    sequence = indent or 4
    yaml.indent(mapping=2, sequence=sequence, offset=sequence - 2 if offset is None else offset)
    stream = io.BytesIO()
    yaml.dump(document, stream)
    return stream.getvalue()
