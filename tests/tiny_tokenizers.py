"""Tokenizers of the families of vision-language models, trained on the spot on a few sentences."""

from __future__ import annotations

import json
import string
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, trainers
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing

VOCABULARY = 640

QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GEMMA_SPACE = "▁"

SENTENCES = """\
You inspect industrial products from images and say what you see.
You are a helpful assistant. Answer with one letter, and with nothing else.
Which of these is the defect in the image? Is there a defect in the object?
The first image shows a normal part, the second image shows the part to inspect.
Compare the two images and describe the difference between them.
There is a scratch on the surface, near the left edge of the part.
There is no crack, no dent, no hole and no stain on this product.
The thread is broken, the colour is wrong, and a wire is missing.
What is the position of the defect: top left, top right, bottom left, bottom right or centre?
What is the appearance of the defect? How would it affect the function of the product?
The object is a metal nut, a glass bottle, a printed circuit board, a cable or a piece of leather.
The inspection found two bright spots and a dark line along the lower border.
Accept the part, reject it, or send it to a person for review.
The probability of the answer is high because the evidence is clear.
Yes, the part is damaged. No, the part is good.
normal anomaly severe minor unknown true false null
"""


def corpus() -> list[str]:
    """The sentences, each letter alone and after a space, and what schemas are filled in with."""
    letters = [f"{letter} {letter}. {letter}: ({letter})" for letter in string.ascii_uppercase]
    digits = [" ".join(string.digits), '{"answer": "A", "score": 0.5, "parts": ["nut", "bolt"]}']
    return 3 * [
        SENTENCES,
        SENTENCES.replace("\n", "\n\n"),
        *SENTENCES.splitlines(),
        " ".join(letters),
        *digits,
    ]


def bytes_tokenizer(special: tuple[str, ...], *, words: str | None) -> Tokenizer:
    """Byte-level BPE whose last tokens are the special ones, ``VOCABULARY`` in all.

    Args:
        special: The special tokens, by rising id.
        words: The expression that cuts texts into words; without it GPT-2's, with single digits.
    """
    tokenizer = Tokenizer(BPE())
    if words:
        tokenizer.normalizer = normalizers.NFC()
        cut: Any = pre_tokenizers.Split(Regex(words), "isolated")
    else:
        cut = pre_tokenizers.Digits(individual_digits=True)
    bytes_of_words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not words)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([cut, bytes_of_words])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return _with_special(tokenizer, special)


def gemma_tokenizer(special: tuple[str, ...], first: tuple[str, ...]) -> Tokenizer:
    """BPE on characters whose spaces are ▁; what it does not know falls back to bytes.

    As Gemma's own, it begins every text with ``<bos>``, and does not cut texts into words; it is
    trained on words nevertheless, else it would learn whole sentences.

    Args:
        special: The special tokens at the end of the vocabulary.
        first: The special tokens at its beginning, by rising id.
    """
    learner = Tokenizer(BPE())
    learner.pre_tokenizer = pre_tokenizers.Metaspace(GEMMA_SPACE, prepend_scheme="never")
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(special),
        special_tokens=[*first, *fallback, "\n", "\n\n"],
        show_progress=False,
    )
    learner.train_from_iterator(corpus(), trainer)
    learned = json.loads(learner.to_str())["model"]
    merges = [(left, right) for left, right in learned["merges"]]
    tokenizer = Tokenizer(
        BPE(learned["vocab"], merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Replace(" ", GEMMA_SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    spaces = decoders.Replace(GEMMA_SPACE, " ")
    tokenizer.decoder = decoders.Sequence([spaces, decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos>:1 $B:1", special_tokens=[("<bos>", 2)]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in first])
    return _with_special(tokenizer, special)


def _with_special(tokenizer: Tokenizer, special: tuple[str, ...]) -> Tokenizer:
    """Add the special tokens; the vocabulary must be full then."""
    # What a model thinks is text, too: these marks stay when special tokens are left out.
    thought = ("<think>", "</think>")
    tokenizer.add_tokens([AddedToken(t, special=t not in thought) for t in special])
    size = tokenizer.get_vocab_size()
    assert size == VOCABULARY, f"{size} tokens were learned: the sentences are too few"
    return tokenizer
