"""Knowledge that people edit and the code executes: reading, rules, zones and what is relevant."""

from experts.knowledge.guide import Findings, KnowledgeGuide, Scene
from experts.knowledge.reading import (
    MAX_FILE_BYTES,
    Knowledge,
    load_knowledge,
    parse_document,
    parse_knowledge,
)
from experts.knowledge.relevance import Excerpt, worth_a_step
from experts.knowledge.schema import KnowledgeFile, json_schema

__all__ = [
    "MAX_FILE_BYTES",
    "Excerpt",
    "Findings",
    "Knowledge",
    "KnowledgeFile",
    "KnowledgeGuide",
    "Scene",
    "json_schema",
    "load_knowledge",
    "parse_document",
    "parse_knowledge",
    "worth_a_step",
]
