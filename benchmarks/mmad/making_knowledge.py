"""What is known of a product and its kinds of defects, by knowledge files and names of folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from benchmarks.mmad.making_texts import option, readable, texts, words_of
from experts.claims.kind_words import english_for
from experts.errors import BenchmarkError
from experts.knowledge import Knowledge, load_knowledge
from experts.knowledge.schema import DefectKnowledge

SUFFIXES = frozenset({".yaml", ".yml"})
# So many wrong options a question has.
WRONG = 3


@dataclass(frozen=True)
class Kind:
    """A kind of defect of an object.

    Attributes:
        words: What it is called, as an option.
        defect: What its knowledge file says of it, if that is known.
    """

    words: str
    defect: DefectKnowledge | None = None

    @cached_property
    def speaks_of(self) -> frozenset[str]:
        """All words that tell what it is."""
        known = self.defect
        said = (known.name, *known.synonyms, known.appearance) if known else ()
        own = frozenset[str]().union(*(words_of(text) for text in (self.words, *said)))
        return own.union(*(english_for(word) for word in own))

    @classmethod
    def of(cls, defect: DefectKnowledge) -> Kind:
        """A defect of a knowledge file."""
        return cls(option(_full_name(defect)), defect)

    @property
    def name_words(self) -> frozenset[str]:
        """The words of its name."""
        return words_of(self.words)


class Library:
    """Knowledge files: the user's own, and those that come with Echo.

    Args:
        given: A file or a folder of the user's own.

    Raises:
        KnowledgeError: If a file is at fault.
        BenchmarkError: If the folder has none.
    """

    def __init__(self, given: Path | None = None) -> None:
        self._own = {path: load_knowledge(path) for path in _files(given)} if given else {}
        starters = sorted(Path(str(files("knowledge"))).glob("*.yaml"))
        self._starters = {path: load_knowledge(path) for path in starters}
        self.given = given

    def fitting(self, name: str, *, only: bool) -> Path | None:
        """The file whose product or alias an object's folder is called by; own ones come first.

        Args:
            name: Dataset and object. ``MagneticTile/tile`` is a magnetic tile, no other tile.
            only: Whether it is the only object; then a single file of the user's own is meant.
        """
        if only and len(self._own) == 1:
            return next(iter(self._own))
        dataset, object_name = (readable(part) for part in name.split("/"))
        wanted = [f"{dataset} {object_name}", object_name]
        if words_of(object_name) <= words_of(dataset):
            wanted.insert(0, dataset)
        return next(
            (
                path
                for known in (self._own, self._starters)
                for name in wanted
                for path, knowledge in known.items()
                if name.casefold() in map(str.casefold, _names(knowledge))
            ),
            None,
        )

    def __getitem__(self, path: Path) -> Knowledge:
        return self._own.get(path) or self._starters[path]

    def check_used(self, used: Sequence[Path | None]) -> None:
        """Make sure that what the user gave fits an object.

        Raises:
            BenchmarkError: If it fits none.
        """
        if self._own and not any(path in self._own for path in used):
            raise BenchmarkError(
                f"{self.given}: fits no object; write the name of the object's folder into its "
                "'product:' or 'aliases:'"
            )

    def others(self, names: Sequence[str]) -> Iterator[Knowledge]:
        """The products that cannot be taken for one of these names, own ones first."""
        own = frozenset[str]().union(*(words_of(name) for name in names))
        groups = [group for group in texts().product_groups if group & own]
        own = own.union(*groups)
        for knowledge in (*self._own.values(), *self._starters.values()):
            if not any(words_of(name) & own for name in _names(knowledge)):
                yield knowledge


def product_names(name: str, knowledge: Knowledge | None) -> list[str]:
    """What an object is called, best first; nothing where the folder does not tell.

    Args:
        name: Dataset and object.
        knowledge: Its knowledge file.
    """
    called = readable(name.split("/")[1])
    if knowledge is not None:
        return [*_names(knowledge), called]
    return [called] if _tells(called, texts().no_product) else []


def kinds_of(folders: Sequence[str], knowledge: Knowledge | None) -> dict[str, Kind]:
    """The kinds of an object by the names of their folders.

    Left out are folders whose names do not say what is wrong, and those of several defects.
    """
    kinds = {}
    for folder in folders:
        words = readable(folder)
        if is_several(folder) or not _tells(words, texts().says_nothing):
            continue
        name = knowledge and (knowledge.defect_named(folder) or knowledge.defect_named(words))
        defects = knowledge.file.defects if knowledge else ()
        defect = next((d for d in defects if d.name == name), None)
        kinds[folder] = Kind.of(defect) if defect else Kind(option(words))
    return kinds


def is_several(folder: str) -> bool:
    """Whether a folder is called as one with several defects in an image."""
    return bool(words_of(folder) & texts().says_several)


def wrong_kinds(kind: Kind, kinds: Sequence[Kind], knowledge: Knowledge | None) -> list[str]:
    """What a defect of a kind is clearly not: other kinds of the object, or general ones.

    Where there are fewer than three others, the knowledge file's other defects fill up, and then
    general kinds that have no word in common with all that is known of the right one.

    Args:
        kind: The right one.
        kinds: Those of the object.
        knowledge: Its knowledge file.
    """
    own = [k for k in kinds if are_apart(kind, k)]
    wrong = list(dict.fromkeys(k.words for k in own))
    if kind.defect is not None and knowledge is not None:
        known = (k.words for k in map(Kind.of, knowledge.file.defects) if are_apart(kind, k))
        wrong += [words for words in known if words not in wrong][: max(0, WRONG - len(wrong))]
    taken = kind.speaks_of.union(*(words_of(words) for words in wrong))
    general = texts().general_kinds
    if any(words & kind.speaks_of for words in general.values()):
        # Only a kind that they know of can be told from the others.
        free = [name for name, words in general.items() if not words & taken]
        wrong += free[: max(0, WRONG - len(wrong))]
    return wrong


def _full_name(defect: DefectKnowledge) -> str:
    """What a defect is called: its name, or a synonym that says the name and more."""
    own = words_of(defect.name)
    return next((s for s in defect.synonyms if own < words_of(s)), defect.name)


def are_apart(one: Kind, other: Kind) -> bool:
    """Whether they are two, and neither name is part of the other.

    As "scratch" is of "scratch on the head".
    """
    if one.defect is not None and one.defect == other.defect:
        return False
    return not (one.name_words <= other.name_words or other.name_words <= one.name_words)


def _tells(words: str, nothing: frozenset[str]) -> bool:
    """Whether a name has a word that is no code and not among those that tell nothing."""
    return any(len(word) > 2 for word in words_of(words) - nothing) or (
        words.isupper() and len(words) > 2
    )


def _names(knowledge: Knowledge) -> list[str]:
    return [knowledge.file.product, *knowledge.file.aliases]


def _files(given: Path) -> list[Path]:
    if not given.is_dir():
        return [given]
    found = sorted(path for path in given.iterdir() if path.suffix in SUFFIXES)
    if not found:
        raise BenchmarkError(
            f"{given}: has no knowledge file (.yaml); write one with: echo-iad knowledge new NAME"
        )
    return found
