"""What a language model takes an unusual image for: a kind of defect of the line, another, or none.

It is asked for one of a list, never for a number, and sees the photo, the place that stands out
enlarged, and a normal image beside it. Its opinion is evidence; it has no say in the verdict.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Sequence
from math import isfinite

from PIL import Image

from experts.errors import MLLMAnswerError
from experts.evidence import Opinion, Reference, Region, Step
from experts.images import Picture
from experts.knowledge import KnowledgeFile
from experts.mllm import MLLM, Content, system, user
from experts.mllm.prompts import prompts

NO_DEFECT = "no defect"
OTHER = "other"
# There are letters for so many kinds, besides the two above.
MAX_KINDS = len(string.ascii_uppercase) - 2
# The step names so many candidates, best first.
MAX_TOLD = 3

# A place is shown with so much around it, as a share of its longer side, and enlarged to so many
# pixels at least: models see little in small images.
MARGIN = 0.5
MIN_SIDE_PX = 336


class OpinionExpert:
    """Asks a language model what an image shows.

    Args:
        knowledge: Of the line; its defects are the candidates.
        thumbnail: Gives the line's small copy of a normal image, RGB.
    """

    def __init__(
        self, knowledge: KnowledgeFile | None, thumbnail: Callable[[Reference], Image.Image]
    ) -> None:
        self._knowledge = knowledge
        self._thumbnail = thumbnail
        self._texts = prompts().opinion

    def ask(
        self,
        model: MLLM,
        picture: Picture,
        references: Sequence[Reference],
        regions: Sequence[Region],
    ) -> tuple[Opinion, float]:
        """Return what the model takes the image for, and how many seconds it took.

        Args:
            model: The language model.
            picture: The image.
            references: Most similar normal images; the first is shown.
            regions: Places that stand out; the first is shown enlarged.

        Raises:
            MLLMError: If the model is of no help.
        """
        candidates, described = self._candidates()
        letters = string.ascii_uppercase[: len(candidates)]
        options = "\n".join(f"{a}. {text}" for a, text in zip(letters, described, strict=True))
        question = self._texts.question.format(options=options)
        shown = self._shown(picture, references, regions)
        choice = model.choose([system(self._texts.system), user(*shown, question)], letters)
        if len(choice.probabilities) != len(letters) or not all(
            map(isfinite, choice.probabilities)
        ):
            raise MLLMAnswerError(
                f"{model.name}: gave no probability for each of {len(letters)} answers; take "
                "another model"
            )
        opinion = Opinion(
            model=model.name,
            revision=model.revision,
            prompts_version=prompts().version,
            candidates=candidates,
            probabilities=choice.probabilities,
            from_logits=choice.from_logits,
            prompt_tokens=choice.cost.prompt_tokens,
        )
        return opinion, choice.cost.seconds

    def _candidates(self) -> tuple[tuple[str, ...], list[str]]:
        """Their names, and what is said of them; what has no letter left counts as another."""
        texts, known = self._texts, self._knowledge.defects[:MAX_KINDS] if self._knowledge else []
        if not known:
            return ("defect", NO_DEFECT), [texts.any_defect, texts.no_defect]
        told = [texts.defect.format(name=d.name, appearance=d.appearance) for d in known]
        names = tuple(defect.name for defect in known)
        return (*names, NO_DEFECT, OTHER), [*told, texts.no_defect, texts.other]

    def _shown(
        self, picture: Picture, references: Sequence[Reference], regions: Sequence[Region]
    ) -> Iterator[Content]:
        """Normal image, photo and the place that stands out, each below its heading."""
        product = self._knowledge.product if self._knowledge else "part"
        if self._knowledge:
            yield self._texts.normal.format(normal=self._knowledge.normal)
        if references:
            yield self._texts.reference.format(product=product)
            yield self._thumbnail(references[0])
        photo = Image.fromarray(picture.rgb_HW3)
        yield self._texts.query.format(product=product)
        yield photo
        if regions:
            yield self._texts.region.format(place=regions[0].place)
            yield crop(photo, regions[0])


def crop(photo: Image.Image, region: Region) -> Image.Image:
    """A region with its surroundings, enlarged if it is small."""
    left, top, right, bottom = region.box_xyxy
    margin = MARGIN * max(right - left, bottom - top)
    box = (
        max(0, int(left - margin)),
        max(0, int(top - margin)),
        min(photo.width, int(right + margin) + 1),
        min(photo.height, int(bottom + margin) + 1),
    )
    cut = photo.crop(box)
    scale = max(1.0, MIN_SIDE_PX / max(cut.size))
    return cut.resize((round(cut.width * scale), round(cut.height * scale)))


def opinion_step(opinion: Opinion) -> Step:
    """The opinion as a step of the reasoning."""
    ranked = sorted(zip(opinion.probabilities, opinion.candidates, strict=True), reverse=True)
    told = ", ".join(f"{name} {share:.0%}" for share, name in ranked[:MAX_TOLD])
    if not opinion.from_logits:
        told = f"{ranked[0][1]}, without saying how sure it is"
    return Step(
        looked_at=f"what {opinion.model} sees",
        found=f"It takes the image for: {told}. This has no say in the verdict.",
        evidence_ids=("opinion",),
    )
