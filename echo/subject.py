"""What a conversation is about: an inspection, its image, and the rules that it was judged by."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from echo.cases import Cases
from echo.history import Archive, learned_sha256
from echo.line import ProductLine
from echo.record import Record, split_id
from echo.rules import Rules
from echo.rules_then import FixedRules, knowledge_of_then
from experts.answers.known import Judged, rules_are_lost
from experts.dialogue_partner import NO_IMAGE
from experts.errors import EchoError, HistoryError, KnowledgeError
from experts.evidence import Inspection
from experts.images import Picture
from experts.knowledge import Excerpt, Knowledge
from experts.mllm import Content
from experts.tools.scene import Equipment, Scene

NOT_THE_SAME = (
    "The image no longer comes out as it was stored, so this place cannot be looked at again as it "
    "was; what has changed: echo-iad replay."
)
_SAME = (
    "SELECT id FROM inspections WHERE image_sha256 = ? AND learned_sha256 = ? "
    "AND knowledge_sha256 IS ? AND asked IS ? AND alpha = ? ORDER BY id DESC LIMIT 1"
)


def stored_as(
    line: ProductLine, rules: Rules, image_sha256: str, view: str | None
) -> Record | None:
    """The newest stored inspection of an image, if line, rules and view were the same.

    Args:
        line: The product line.
        rules: Those that are in force.
        image_sha256: Of the pixels.
        view: The view that the user says it shows.

    Raises:
        HistoryError: If what is stored cannot be read.
    """
    archive = Archive(line.name, line.home)
    same = (image_sha256, learned_sha256(line.manifest), rules.sha256, view, rules.alpha)
    found = archive.rows(_SAME, *same)
    return archive.record(found[0][0]) if found else None


class Subject:
    """What a conversation is about, as far as it is needed.

    Args:
        line: The product line.
        inspection: As it was stored, or as it came out.
        picture: The image, if it is at hand.
        equipment: For closer looks.

    Attributes:
        inspection: As complete as it can be made.
        unseen: Why there is nothing to look at, in a sentence, if there is not.
    """

    def __init__(
        self,
        line: ProductLine,
        inspection: Inspection,
        picture: Picture | None,
        equipment: Equipment,
    ) -> None:
        self._line, self._picture, self._equipment = line, picture, equipment
        self.inspection = inspection
        self.unseen = NO_IMAGE
        if not _lacks_map(inspection) or picture is None:
            return
        if _is_of_before(inspection, line):
            self.unseen = (
                f"Line {line.name!r} was enrolled anew, extended or taught since, so this place "
                "cannot be looked at again as it was; inspect the image again."
            )
        else:
            self.inspection = self._completed(inspection, picture)
            self.unseen = NOT_THE_SAME

    def _completed(self, stored: Inspection, picture: Picture) -> Inspection:
        """A stored inspection with what is not stored of it: it is computed again.

        What is stored stays as it is, the verdict above all.
        """
        again = self._again(stored, picture)
        if again is None or _measured(again) != _measured(stored):
            return stored
        update: dict[str, object] = {
            "anomaly": again.anomaly,
            "references": stored.references or again.references,
        }
        # Echos of before did not keep how it got there; by other rules it would get elsewhere.
        if not stored.steps and not rules_are_lost(stored, self._equipment.knowledge):
            if _decided(again) != _decided(stored):
                return stored
            update |= {"clause_checks": again.clause_checks, "steps": again.steps}
        return stored.model_copy(update=update)

    def _again(self, stored: Inspection, picture: Picture) -> Inspection | None:
        """What comes of inspecting the image again as it was then; ``None`` if nothing does."""
        from echo.inspector import Inspector, Then

        knowledge = self._equipment.knowledge
        rules = FixedRules(self._line, knowledge, stored.versions.knowledge_sha256)
        then = Then(rules, stored.opinion, stored.versions.cases)
        named = Picture(stored.image, picture.rgb_HW3)
        # Views are named by the rules.
        view = stored.sight.view if knowledge else None
        causes = stored.cause is not None and not stored.steps
        try:
            inspector = Inspector(self._line, keep=False, mllm="none", causes=causes, then=then)
            return inspector.inspect_picture(named, view=view)
        except EchoError:
            return None

    @cached_property
    def scene(self) -> Scene | None:
        """What closer looks are taken at; ``None`` if the image is not at hand."""
        inspection, picture = self.inspection, self._picture
        if picture is None or _lacks_map(inspection):
            return None
        (features,) = self._line.see([picture])
        return Scene(
            picture=picture,
            features=features,
            sight=inspection.sight,
            references=inspection.references,
            anomaly=inspection.anomaly,
            regions=inspection.regions,
        )

    @cached_property
    def shown(self) -> tuple[Content, ...]:
        """What a language model is shown; nothing, if the image is not at hand."""
        from experts.album import Album, Seen

        if (scene := self.scene) is None:
            return ()
        # Images and their headings alone: what was found is told with the question.
        seen = Seen(scene, checks=(), excerpt=Excerpt((), (), (), 0), steps=())
        album = Album(self._equipment)
        return tuple(album.of(seen))


def rules_of(
    inspection: Inspection, line: ProductLine, rules: Rules
) -> tuple[Knowledge | None, tuple[str, ...]]:
    """The rules that an inspection was judged by, and what is wrong with them."""
    then = inspection.versions.knowledge_sha256
    if then == rules.sha256:
        return rules.knowledge, ()
    try:
        return knowledge_of_then(line, Archive(line.name, line.home), then), ()
    except KnowledgeError as error:
        return None, (f"it was judged by revision {str(then)[:8]} of the rules, {error}",)


def made_and_judged(
    line: ProductLine, inspection: Inspection
) -> tuple[datetime | None, Judged | None]:
    """When an inspection was made, and what the last person found who judged the part.

    Nothing of either is known of an inspection that was not stored, or cannot be read.
    """
    if inspection.id is None:
        return None, None
    archive = Archive(line.name, line.home)
    try:
        record = archive.record(split_id(inspection.id)[1])
        cases = Cases(archive).of(inspection.id)
    except HistoryError:
        return None, None
    if record.image_sha256 != inspection.versions.image_sha256:
        # The history was begun anew: by now the number names another one.
        return None, None
    if not cases:
        return record.time, None
    last = cases[-1]
    return record.time, Judged(last.verdict, last.by, last.reason, last.time)


def _is_of_before(stored: Inspection, line: ProductLine) -> bool:
    """Whether the line itself has changed since; its rules may have."""
    try:
        record = Archive(line.name, line.home).record(split_id(str(stored.id))[1])
    except HistoryError:
        return False
    return record.learned_sha256 != learned_sha256(line.manifest)


def _lacks_map(inspection: Inspection) -> bool:
    """Whether an inspection comes from where it was stored: of its map only the peak is there."""
    return inspection.anomaly.patch_scores_HW.size == 1


def _measured(inspection: Inspection) -> tuple[object, ...]:
    """What comes out the same, whatever the rules, if image and line are the same."""
    return inspection.anomaly.p_value, [region.box_xyxy for region in inspection.regions]


def _decided(inspection: Inspection) -> tuple[object, ...]:
    """What it came to, but for how that was put in words, which may change from Echo to Echo."""
    decision = inspection.decision
    return decision.verdict, decision.deciding_clause, decision.defects
