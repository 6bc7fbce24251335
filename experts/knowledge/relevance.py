"""What of a long knowledge file matters for an image or a question; only that goes further.

All clauses are computed, whatever is relevant. Steps, prompts and answers hold what is relevant, so
that neither a reader nor a language model drowns in two hundred defects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experts.evidence import Clause, ClauseCheck, Region
from experts.knowledge.reading import Knowledge
from experts.knowledge.schema import DefectKnowledge, Question

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

# So many a reader takes in at once.
MAX_DEFECTS = 8
MAX_QUESTIONS = 3
# Places are described in few general words, so these say less than a question; a zone that rules
# name says as much as words that are quite the same.
LOOKS = 0.5


class Excerpt(NamedTuple):
    """The part of a knowledge file that matters here, the most relevant first.

    Attributes:
        defects: What a place may be.
        clauses: Of these, and those for any place.
        questions: What people ask of this.
        left_out: How many further defects the file has.
    """

    defects: tuple[DefectKnowledge, ...]
    clauses: tuple[Clause, ...]
    questions: tuple[Question, ...]
    left_out: int


class Relevance:
    """Finds what matters in a knowledge file, by candidates, zones and the likeness of words.

    Words are alike as their groups of letters are (TF-IDF, Salton & Buckley 1988, over three to
    five letters), so that inflected and compound words are alike, too.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge

    def excerpt(
        self,
        candidates: Iterable[str],
        regions: Sequence[Region] = (),
        zones: Iterable[str] = (),
        question: str = "",
    ) -> Excerpt:
        """What matters here.

        Args:
            candidates: Names of the defects that the places may be.
            regions: The places; their looks are compared with how defects look.
            zones: The zones that they touch.
            question: What a person asks.
        """
        file = self._knowledge.file
        wanted = frozenset(candidates)
        defects = [defect for defect in file.defects if defect.name in wanted]
        if len(defects) > MAX_DEFECTS:
            texts = [_text_of(defect) for defect in defects]
            looks = " ".join(_words_of(region) for region in regions)
            scores_N = self._likeness(question, texts) + LOOKS * self._likeness(looks, texts)
            scores_N += self._in_zones(defects, frozenset(zones))
            order = np.argsort(-scores_N, kind="stable")[:MAX_DEFECTS]
            defects = [defects[i] for i in order.tolist()]
        names = {defect.name for defect in defects}
        clauses = self._knowledge.clauses
        return Excerpt(
            defects=tuple(defects),
            clauses=tuple(c for c in clauses if c.defect is None or c.defect in names),
            questions=self._questions(question),
            left_out=len(file.defects) - len(defects),
        )

    def _questions(self, question: str) -> tuple[Question, ...]:
        known = self._knowledge.file.questions
        if not question or not known:
            return ()
        scores_N = self._likeness(question, [f"{q.question} {q.answer}" for q in known])
        order = np.argsort(-scores_N, kind="stable")[:MAX_QUESTIONS]
        return tuple(known[i] for i in order.tolist() if scores_N[i] > 0)

    def _in_zones(
        self, defects: Sequence[DefectKnowledge], zones: frozenset[str]
    ) -> NDArray[np.float64]:
        named = [any(rule.zone in zones for rule in defect.clauses) for defect in defects]
        return np.array(named, float)

    def _likeness(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        if not query:
            return np.zeros(len(texts))
        rows = self._vectorizer.transform([query, *texts])
        return np.asarray((rows[1:] @ rows[0].T).todense(), float).ravel()

    @cached_property
    def _vectorizer(self) -> TfidfVectorizer:
        from sklearn.feature_extraction.text import TfidfVectorizer

        file = self._knowledge.file
        texts = [_text_of(defect) for defect in file.defects]
        texts += [f"{q.question} {q.answer}" for q in file.questions]
        return TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True).fit(texts)


def worth_a_step(checks: Sequence[ClauseCheck], excerpt: Excerpt) -> list[ClauseCheck]:
    """Of the clauses that were computed: all that do not hold, and the relevant others."""
    relevant = {clause.id for clause in excerpt.clauses}
    return [check for check in checks if not check.within or check.clause.id in relevant]


def _words_of(region: Region) -> str:
    traits = region.traits.in_words if region.traits else ""
    return f"{region.looks} {region.place} {traits}"


def _text_of(defect: DefectKnowledge) -> str:
    texts = [defect.name, *defect.synonyms, defect.appearance, defect.cause, defect.effect]
    return " ".join(text for text in texts if text)
