"""A stored inspection, and the name that people give it: ``LINE:NUMBER``, such as washer:17."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from experts.errors import HistoryError
from experts.evidence import Inspection, Verdict

# SQLite can count to all numbers of so many digits.
_NUMBER = r"[1-9][0-9]{0,17}"
_LINE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


@dataclass(frozen=True)
class Record:
    """An inspection as it is kept.

    Attributes:
        id: By which people name it: ``LINE:NUMBER``.
        time: When it was made, UTC.
        image: Name of the image.
        image_sha256: Of its pixels.
        verdict: As it was given then.
        asked: The view that the user said it shows.
        alpha: The false-reject rate that was promised then.
        learned_sha256: See ``learned_sha256``.
        knowledge_sha256: Of the rules of then.
        json: The inspection, see ``slim``.
    """

    id: str
    time: datetime
    image: str
    image_sha256: str
    verdict: Verdict
    asked: str | None
    alpha: float
    learned_sha256: str
    knowledge_sha256: str | None
    json: str

    def inspection(self) -> Inspection:
        """The inspection, as ``slim`` made it.

        Raises:
            HistoryError: If this Echo cannot read it.
        """
        try:
            stored = Inspection.model_validate_json(self.json)
            return stored.model_copy(update={"id": self.id})
        except ValidationError as error:
            raise HistoryError(
                f"{self.image}: its stored inspection cannot be read by this Echo; inspect it again"
            ) from error

    @property
    def reason(self) -> str:
        """The reason that was given then; it is read from whatever version of Echo wrote it."""
        try:
            return str(json.loads(self.json)["decision"]["reason"])
        except (ValueError, LookupError, TypeError):
            return "its stored inspection cannot be read"


class StoredAlreadyError(HistoryError):
    """Another run was faster: the same is stored by now.

    Args:
        id: Of what is stored.
        verdict: Of the same.
    """

    def __init__(self, id: str, verdict: Verdict) -> None:
        super().__init__(f"{id}: the same is stored already ({verdict}); it is not stored twice")
        self.id = id
        self.verdict = verdict


def is_line_name(name: str) -> bool:
    """Whether a line can be called so."""
    return re.fullmatch(_LINE, name) is not None


def split_id(identifier: str) -> tuple[str, int]:
    """The line and the number that an inspection is named by.

    Raises:
        HistoryError: If it is no such name.
    """
    if (match := re.fullmatch(rf"({_LINE}):({_NUMBER})", identifier)) is None:
        raise HistoryError(
            f"{identifier!r} names no inspection; expected LINE:NUMBER, such as washer:17, as "
            "echo-iad history LINE lists them"
        )
    return match[1], int(match[2])
