"""Inspects images of one product line: encoder, graph, and the result put together."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, cast

from echo import __version__
from echo.conversation import Conversation, Conversations
from echo.experience import Judgements, without_judged
from echo.graph import build_graph
from echo.history import Archive, History
from echo.language import Language
from echo.line import ProductLine
from echo.machine import this_machine
from echo.record import StoredAlreadyError
from echo.review import Reviews
from echo.rules import Rules
from echo.state import InspectionState, inspection_of
from echo.team import Experts
from experts.decoder.encoder import Features
from experts.dialogue import Answer
from experts.errors import HistoryError, ImageError, InspectionError
from experts.evidence import Evidence, Inspection, Opinion, Sight, Verdict, Versions
from experts.images import ImageSource, Picture, read_picture, source_name, stream_images
from experts.mllm import MLLM
from experts.tools.scene import Equipment


class Failure(Evidence):
    """An image that could not be inspected, among others that could.

    Attributes:
        image: Its name.
        error: One sentence: which file, what is wrong, what to do.
    """

    image: str
    error: str


class Inspected(NamedTuple):
    """An inspection and the picture that was inspected, for those who draw it."""

    inspection: Inspection
    picture: Picture


class Then(NamedTuple):
    """What an inspection rested on beside the line and the image.

    Attributes:
        rules: Which are in force.
        opinion: What a language model took the image for, instead of asking one.
        cases: How many parts people had judged.
    """

    rules: Rules
    opinion: Opinion | None
    cases: int


class LeftOut(NamedTuple):
    """An image that was left out, since it was inspected before and just the same would come of it.

    Attributes:
        image: Its name.
        id: Of the newest such inspection.
        verdict: Of the same.
    """

    image: str
    id: str
    verdict: Verdict


class _Encoded(NamedTuple):
    picture: Picture
    features: Features
    timings_ms: dict[str, float]


class Inspector:
    """Inspects images of one line, by its rules as they stand when each image comes.

    Args:
        line: The enrolled product line.
        keep: Add each inspection to the line's history, see ``echo.history``. One that cannot be
            kept says so among its faults.
        mllm: A language model, or what names one (``experts.mllm.setting``); by default what is
            set for the line, see ``echo.settings``. It is opened when it is first needed.
        causes: Test whether the regions are why an image is unusual, which takes another pass of
            the encoder. That is always done where a language model is asked.
        then: What an inspection that was made before rested on, to make it again.
    """

    def __init__(
        self,
        line: ProductLine,
        *,
        keep: bool = True,
        mllm: MLLM | str | os.PathLike[str] | None = None,
        causes: bool = False,
        then: Then | None = None,
    ) -> None:
        self.line = line
        self._causes = causes
        self._heard = then.opinion if then else None
        self._language = Language(line.home, line.name, mllm)
        self._conversations = Conversations(line, self._language)
        self._history = History(line) if keep else None
        self._reviews = Reviews(self._history) if self._history is not None else None
        # A history that is empty counts as false, and one that is damaged as neither.
        archive = self._history if self._history is not None else Archive(line.name, line.home)
        self._judgements = Judgements(archive, line, then.cases if then else None)
        self._judgements.refresh()
        self._rules = then.rules if then else Rules(line)
        self._rules.refresh()
        self._gather_experts()

    def _refresh(self) -> None:
        # Both must look: each may have changed.
        if self._rules.refresh() | self._judgements.refresh():
            self._gather_experts()

    def _gather_experts(self) -> None:
        known = self._judgements.now
        self._experts = Experts.of(
            self.line, self._rules, self._language, known, causes=self._causes
        )
        self._graph = build_graph(self._experts)

    @property
    def equipment(self) -> Equipment:
        """What the line looks with, as its rules are now."""
        self._refresh()
        return self._experts.equipment

    def inspect(self, image: ImageSource, *, view: str | None = None) -> Inspection:
        """Inspect one image: path, PIL image, numpy array (HW or HWC), or encoded bytes.

        Args:
            image: The image.
            view: Which view of the knowledge file it shows, where file names do not tell.

        Raises:
            ImageError: If the image cannot be read, or nothing tells which view it shows.
        """
        start = time.perf_counter()
        picture = read_picture(image)
        read_ms = (time.perf_counter() - start) * 1e3
        return self.inspect_picture(picture, view=view, read_ms=read_ms)

    def inspect_picture(
        self, picture: Picture, *, view: str | None = None, read_ms: float = 0.0
    ) -> Inspection:
        """As ``inspect``, of a picture that was read already, in so many milliseconds."""
        (encoded,) = self._encode([picture], [read_ms])
        return self._kept(self._run(encoded, view), view)

    def inspect_many(
        self,
        images: str | os.PathLike[str] | Iterable[ImageSource],
        *,
        view: str | None = None,
        resume: bool = False,
    ) -> Iterator[Inspection | Failure]:
        """Inspect images in order, yielding each result as soon as its batch is encoded.

        An image that cannot be read yields a ``Failure`` in its place; the others go on.

        Args:
            images: Folder, glob pattern, or an iterable of anything that ``inspect`` takes; of an
                iterable one batch is read ahead.
            view: As for ``inspect``, of all of them.
            resume: Leave out what is stored: the same pixels under the same name, inspected by the
                line as it is, by the same rules, view and alpha, whatever language model is set;
                but not what lacks one that failed. So a run that broke off is begun again, and
                ends with one inspection of each image, also if several runs go on at once.

        Raises:
            HistoryError: If nothing is kept, so that nothing can be resumed.
            ImageError: If there is no such folder, or ``images`` is a single image.
        """
        return (
            result if isinstance(result, Failure) else result.inspection
            for result in self.inspect_with_pictures(images, view=view, resume=resume)
            if not isinstance(result, LeftOut)
        )

    def inspect_with_pictures(
        self,
        images: str | os.PathLike[str] | Iterable[ImageSource],
        *,
        view: str | None = None,
        resume: bool = False,
    ) -> Iterator[Inspected | LeftOut | Failure]:
        """As ``inspect_many``, with each picture, so that what is drawn is what was inspected.

        What is left out has its place among the others.
        """
        if resume and self._history is None:
            raise HistoryError(
                f"line {self.line.name!r}: this inspector keeps nothing, so it cannot tell what to "
                "leave out; let it keep its inspections"
            )
        return self._inspect_stream(stream_images(images), view, resume=resume)

    def _inspect_stream(
        self, sources: Iterator[ImageSource], view: str | None, *, resume: bool
    ) -> Iterator[Inspected | LeftOut | Failure]:
        while batch := list(islice(sources, self.line.encoder.batch_size)):
            yield from self._inspect_batch(batch, view, resume=resume)

    def _inspect_batch(
        self, batch: Sequence[ImageSource], view: str | None, *, resume: bool
    ) -> Iterator[Inspected | LeftOut | Failure]:
        results: list[Picture | LeftOut | Failure] = []
        read_ms = []
        for source in batch:
            start = time.perf_counter()
            try:
                picture = read_picture(source)
            except ImageError as error:
                results.append(Failure(image=source_name(source), error=str(error)))
                continue
            read_ms_one = (time.perf_counter() - start) * 1e3
            if left_out := self._before(picture, view) if resume else None:
                results.append(left_out)
                continue
            results.append(picture)
            read_ms.append(read_ms_one)
        encoded = iter(self._encode([r for r in results if isinstance(r, Picture)], read_ms))
        for result in results:
            if not isinstance(result, Picture):
                yield result
                continue
            seen = next(encoded)
            # An image may come twice within a batch.
            if left_out := self._before(result, view) if resume else None:
                yield left_out
                continue
            try:
                found = self._kept(self._run(seen, view), view, resume=resume)
                yield Inspected(found, result)
            except StoredAlreadyError as same:
                yield LeftOut(result.name, same.id, same.verdict)
            except (ImageError, InspectionError) as error:
                yield Failure(image=result.name, error=str(error))

    def ask(self, inspection: Inspection, question: str) -> Answer:
        """Ask something about an inspection; what was asked about it before is remembered.

        Args:
            inspection: As it came out, or as it was stored.
            question: In English or German; in any language that the language model knows.

        Raises:
            QuestionError: If it is empty or too long.
        """
        return self.converse(inspection).ask(question)

    def converse(
        self, inspection: Inspection, *, new: bool = False, picture: Picture | None = None
    ) -> Conversation:
        """The conversation about an inspection, where it ended; for several questions.

        Args:
            inspection: As it came out, or as it was stored.
            new: Begin a new one; the former is kept.
            picture: The image, if it is no longer where it was.

        Raises:
            ImageError: If that is another image.
        """
        self._refresh()
        return self._conversations.about(
            inspection, self._experts.equipment, self._rules, picture=picture, new=new
        )

    def _before(self, picture: Picture, view: str | None) -> LeftOut | None:
        """The inspection that inspecting a picture anew would repeat, if there is one."""
        self._refresh()
        if self._history is None:
            return None
        try:
            alpha, rules = self._experts.alpha, self._rules.sha256
            found = self._history.same(picture, alpha, view, rules)
        except HistoryError:
            # The inspection says so among its faults.
            return None
        return LeftOut(picture.name, *found) if found else None

    def _encode(self, pictures: Sequence[Picture], read_ms: Sequence[float]) -> list[_Encoded]:
        if not pictures:
            return []
        start = time.perf_counter()
        features = self.line.see(pictures)
        encode_ms = (time.perf_counter() - start) * 1e3 / len(pictures)
        return [
            _Encoded(picture, feature, {"read": read, "encode": encode_ms})
            for picture, feature, read in zip(pictures, features, read_ms, strict=True)
        ]

    def _run(self, encoded: _Encoded, view: str | None) -> Inspection:
        self._refresh()
        picture = encoded.picture
        self._conversations.remember(picture)
        given: InspectionState = {
            "picture": picture,
            "features": encoded.features,
            "sight": self._sight(encoded, view),
            "versions": self._versions(picture),
            "opinion": self._heard,
            "faults": tuple(f for f in (self._rules.fault, self._judgements.fault) if f),
            "clause_checks": (),
            "unruled": (),
            "steps": (),
            "timings_ms": encoded.timings_ms,
        }
        state = cast(InspectionState, self._graph.invoke(given))
        return inspection_of(state)

    def _kept(
        self, inspection: Inspection, view: str | None, *, resume: bool = False
    ) -> Inspection:
        """With its id, once it is stored; where that resumes, only if no other run was faster."""
        if self._history is None or self._reviews is None:
            return inspection
        try:
            alpha, rules = self._experts.alpha, self._rules.raw
            kept_as = self._history.add(inspection, alpha, view, rules, resume=resume)
            inspection = inspection.model_copy(update={"id": kept_as})
            if inspection.verdict == "review":
                self._reviews.open(inspection)
        except StoredAlreadyError:
            raise
        except HistoryError as error:
            faults = _with_unkept(inspection.faults, error)
            return inspection.model_copy(update={"faults": faults})
        return inspection

    def _sight(self, encoded: _Encoded, view: str | None) -> Sight:
        frame, guide = encoded.features.frame, self._experts.guide
        sight = Sight.of_image(encoded.picture.size_HW)
        corners_xy = frame.placement.corners_xy.tolist() if frame else sight.corners_xy
        if guide is not None:
            return guide.sight(encoded.picture.name, corners_xy, view)
        if view is not None:
            raise ImageError(
                f"{encoded.picture.name}: is said to show view {view!r}, but line "
                f"{self.line.name!r} has no knowledge file that names views"
            )
        return sight

    def _versions(self, picture: Picture) -> Versions:
        line = self.line
        return Versions(
            image_sha256=picture.sha256,
            line=line.name,
            line_sha256=line.sha256,
            knowledge_sha256=self._rules.sha256,
            encoder=line.encoder.name,
            weights_sha256=line.encoder.weights_sha256,
            echo=__version__,
            machine=this_machine(),
            cases=self._judgements.now.number,
        )


def _with_unkept(faults: Sequence[str], error: HistoryError) -> tuple[str, ...]:
    """With why an inspection is not kept; what is wrong with one file is told once."""
    unjudged = without_judged(error)
    if unjudged not in faults:
        return (*faults, str(error))
    return (*(fault for fault in faults if fault != unjudged), f"not stored, and {unjudged}")
