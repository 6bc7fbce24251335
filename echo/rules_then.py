"""The rules that a stored inspection was judged by, whatever is in force now."""

from __future__ import annotations

from pathlib import Path

from echo.history import Archive
from echo.line import ProductLine
from echo.manifest import KNOWLEDGE
from echo.rules import Rules, cited
from experts.errors import HistoryError, KnowledgeError
from experts.knowledge import Knowledge, parse_knowledge


class FixedRules(Rules):
    """Rules that stay as they are, whatever becomes of their file.

    Args:
        line: The line.
        knowledge: What they say; ``None`` for no rules.
        sha256: Hash of their file.
    """

    def __init__(self, line: ProductLine, knowledge: Knowledge | None, sha256: str | None) -> None:
        super().__init__(line)
        self.knowledge, self.sha256 = knowledge, sha256

    @property
    def fault(self) -> str | None:
        """Nothing: what is wrong with the file of now is no fault of theirs."""
        return None

    def refresh(self) -> bool:
        """They are never others."""
        return False


def knowledge_of_then(line: ProductLine, archive: Archive, sha256: str | None) -> Knowledge | None:
    """What the rules of a hash said; ``None`` for no rules.

    Args:
        line: The line.
        archive: Its stored inspections, which the rules are kept with.
        sha256: Hash of the knowledge file.

    Raises:
        KnowledgeError: If nothing tells; its text says why, and follows what the rules are called.
    """
    if sha256 is None:
        return None
    name = line.manifest.knowledge_name or KNOWLEDGE
    try:
        raw = archive.rules(sha256)
        knowledge = parse_knowledge(raw, Path(name)) if raw is not None else None
    except (HistoryError, KnowledgeError) as error:
        why = str(error).splitlines()[0]
        raise KnowledgeError(f"which cannot be read any more ({why})") from error
    if knowledge is None:
        raise KnowledgeError("which is not kept")
    return cited(knowledge, name, sha256)
