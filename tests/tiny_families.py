"""What the folders of tiny vision-language models hold: configurations of the real families."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Tokenizer

from tests import tiny_templates as templates
from tests.tiny_tokenizers import QWEN_WORDS, VOCABULARY, bytes_tokenizer, gemma_tokenizer

Config = dict[str, Any]

# As in the real ones: what a linear layer takes and gives is a multiple of NF4's block of 64.
WIDTH = 64
TEXT: Config = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
}
QWEN_VISION: Config = {
    "depth": 2,
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_heads": 2,
    "out_hidden_size": WIDTH,
}
VISION: Config = {
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
CENTRED: Config = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}

CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN = (*CHATML, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
QWEN_NAMES = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
SMOL_TILES = tuple(f"<row_{row}_col_{col}>" for row in range(1, 5) for col in range(1, 5))
SMOL = (
    *CHATML,
    "<fake_token_around_image>",
    "<image>",
    "<global-img>",
    *SMOL_TILES,
    "<end_of_utterance>",
)
INTERNVL_IMAGE = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
GEMMA_FIRST = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
GEMMA_IMAGE = {
    "boi_token": "<start_of_image>",
    "eoi_token": "<end_of_image>",
    "image_token": "<image_soft_token>",
}
GEMMA = ("<start_of_turn>", "<end_of_turn>", *GEMMA_IMAGE.values())


@dataclass(frozen=True)
class Family:
    """What a family's folder holds.

    Attributes:
        config: Makes ``config.json`` from the ids of the special tokens.
        processor: Name of the processor's class.
        image: ``preprocessor_config.json``.
        template: The chat template.
        special: The special tokens at the end of the vocabulary.
        names: What the tokenizer's configuration says besides its class.
        tokenizer: Name of the tokenizer's class.
        words: What cuts texts into words, see ``bytes_tokenizer``.
        processing: What ``processor_config.json`` says besides the class.
    """

    config: Callable[[dict[str, int]], Config]
    processor: str
    image: Config
    template: str
    special: tuple[str, ...]
    names: Config
    tokenizer: str = "Qwen2Tokenizer"
    words: str | None = QWEN_WORDS
    processing: Config = field(default_factory=dict)

    def make_tokenizer(self) -> Tokenizer:
        """The tokenizer, trained just now."""
        if self.tokenizer == "GemmaTokenizer":
            return gemma_tokenizer(self.special, GEMMA_FIRST)
        return bytes_tokenizer(self.special, words=self.words)


def _qwen_ids(ids: dict[str, int]) -> Config:
    return {
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
    }


def _rope(sections: list[int], **more: Any) -> Config:
    return {"rope_type": "default", "rope_theta": 1e6, "mrope_section": sections, **more}


def _qwen2_5_vl(ids: dict[str, int]) -> Config:
    """Flat, as on the hub; the first layer of the vision tower looks through windows."""
    windows = {"window_size": 56, "fullatt_block_indexes": [1], "patch_size": 14}
    ends = {"bos_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"]}
    return {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "model_type": "qwen2_5_vl",
        **TEXT,
        **ends,
        **_qwen_ids(ids),
        "rope_theta": 1e6,
        "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
        "tie_word_embeddings": False,
        "vision_config": {"model_type": "qwen2_5_vl", **QWEN_VISION, **windows},
    }


def _qwen3_vl(ids: dict[str, int]) -> Config:
    """With tied embeddings, and with what the vision tower's first layer sees in the text."""
    rope = _rope([6, 5, 5], mrope_interleaved=True)
    eyes = {"patch_size": 16, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1]}
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        **_qwen_ids(ids),
        "tie_word_embeddings": True,
        "text_config": {
            "model_type": "qwen3_vl_text",
            **TEXT,
            "head_dim": 32,
            "num_hidden_layers": 3,
            "eos_token_id": ids["<|im_end|>"],
            "rope_parameters": rope,
            "tie_word_embeddings": True,
        },
        "vision_config": {"model_type": "qwen3_vl", **QWEN_VISION, **eyes},
    }


def _qwen3_5(ids: dict[str, int]) -> Config:
    """Layers that keep a state of fixed size, and one with attention."""
    # 32 values, as bitsandbytes takes only multiples of 32 on some processors.
    keys = {"linear_num_key_heads": 8, "linear_key_head_dim": 16}
    values = {"linear_num_value_heads": 32, "linear_value_head_dim": 8}
    rope = _rope([3, 3, 2], mrope_interleaved=True, partial_rotary_factor=0.25)
    return {
        "architectures": ["Qwen3_5ForConditionalGeneration"],
        "model_type": "qwen3_5",
        **_qwen_ids(ids),
        "tie_word_embeddings": False,
        "text_config": {
            "model_type": "qwen3_5_text",
            **TEXT,
            **keys,
            **values,
            "num_hidden_layers": 3,
            "layer_types": ["linear_attention", "full_attention", "linear_attention"],
            "head_dim": 64,
            "eos_token_id": ids["<|im_end|>"],
            "rope_parameters": rope,
        },
        "vision_config": {
            "model_type": "qwen3_5",
            **QWEN_VISION,
            "patch_size": 16,
            "num_position_embeddings": 64,
        },
    }


def _smolvlm(ids: dict[str, int]) -> Config:
    """Tiles of 64 px, each of them 4 tokens."""
    text = {
        "model_type": "llama",
        **TEXT,
        "head_dim": 32,
        "rope_theta": 1e5,
        "bos_token_id": ids["<|im_start|>"],
        "eos_token_id": ids["<end_of_utterance>"],
        "pad_token_id": ids["<|im_end|>"],
        "tie_word_embeddings": False,
    }
    return {
        "architectures": ["SmolVLMForConditionalGeneration"],
        "model_type": "smolvlm",
        "image_token_id": ids["<image>"],
        "scale_factor": 2,
        "tie_word_embeddings": False,
        "text_config": text,
        "vision_config": {
            "model_type": "smolvlm_vision",
            **VISION,
            "image_size": 64,
            "patch_size": 16,
        },
    }


def _internvl(ids: dict[str, int]) -> Config:
    """Tiles of 56 px, each of them 4 tokens; the text is Qwen2."""
    return {
        "architectures": ["InternVLForConditionalGeneration"],
        "model_type": "internvl",
        "image_token_id": ids["<IMG_CONTEXT>"],
        "image_seq_length": 4,
        "downsample_ratio": 0.5,
        "tie_word_embeddings": False,
        "text_config": {
            "model_type": "qwen2",
            **TEXT,
            "rope_theta": 1e6,
            "eos_token_id": ids["<|im_end|>"],
            "tie_word_embeddings": False,
        },
        "vision_config": {
            "model_type": "internvl_vision",
            **VISION,
            "attention_bias": True,
            "image_size": [56, 56],
            "patch_size": [14, 14],
            "layer_scale_init_value": 1.0,
            "use_mean_pooling": True,
        },
    }


def _gemma3(ids: dict[str, int]) -> Config:
    """A window of 16 tokens, shorter than any prompt; an image is 4 tokens that see each other."""
    return {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "mm_tokens_per_image": 4,
        "boi_token_index": ids["<start_of_image>"],
        "eoi_token_index": ids["<end_of_image>"],
        "image_token_index": ids["<image_soft_token>"],
        "eos_token_id": [ids["<eos>"], ids["<end_of_turn>"]],
        "text_config": {
            "model_type": "gemma3_text",
            **TEXT,
            "head_dim": 32,
            "query_pre_attn_scalar": 32,
            "num_hidden_layers": 3,
            "sliding_window": 16,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        },
        "vision_config": {
            "model_type": "siglip_vision_model",
            **VISION,
            "image_size": 56,
            "patch_size": 14,
            "vision_use_head": False,
        },
    }


QWEN_IMAGE: Config = {
    "image_processor_type": "Qwen2VLImageProcessor",
    "temporal_patch_size": 2,
    "merge_size": 2,
}
ALL: dict[str, Family] = {
    "qwen2_5_vl": Family(
        _qwen2_5_vl,
        "Qwen2_5_VLProcessor",
        {**QWEN_IMAGE, "patch_size": 14, "min_pixels": 4 * 28**2, "max_pixels": 16 * 28**2},
        templates.QWEN_2_5,
        QWEN,
        QWEN_NAMES,
    ),
    "qwen3_vl": Family(
        _qwen3_vl,
        "Qwen3VLProcessor",
        {
            **QWEN_IMAGE,
            **CENTRED,
            "patch_size": 16,
            "size": {"shortest_edge": 4 * 32**2, "longest_edge": 16 * 32**2},
        },
        templates.QWEN_3,
        QWEN,
        QWEN_NAMES,
    ),
    "qwen3_5": Family(
        _qwen3_5,
        "Qwen3VLProcessor",
        {
            **QWEN_IMAGE,
            **CENTRED,
            "patch_size": 16,
            "size": {"shortest_edge": 4 * 32**2, "longest_edge": 16 * 32**2},
        },
        templates.QWEN_3_5,
        (*QWEN, "<think>", "</think>"),
        QWEN_NAMES,
    ),
    "smolvlm": Family(
        _smolvlm,
        "SmolVLMProcessor",
        {
            "image_processor_type": "SmolVLMImageProcessor",
            **CENTRED,
            "size": {"longest_edge": 256},
            "max_image_size": {"longest_edge": 64},
            "do_image_splitting": True,
        },
        templates.SMOLVLM,
        SMOL,
        {
            "bos_token": "<|im_start|>",
            "eos_token": "<end_of_utterance>",
            "pad_token": "<|im_end|>",
        },
        "GPT2Tokenizer",
        None,
        {"image_seq_len": 4},
    ),
    "internvl": Family(
        _internvl,
        "InternVLProcessor",
        {
            "image_processor_type": "GotOcr2ImageProcessor",
            "size": {"height": 56, "width": 56},
            "min_patches": 1,
            "max_patches": 4,
        },
        templates.INTERNVL,
        (*CHATML, *INTERNVL_IMAGE.values()),
        {**QWEN_NAMES, "extra_special_tokens": INTERNVL_IMAGE},
        processing={"image_seq_length": 4},
    ),
    "gemma3": Family(
        _gemma3,
        "Gemma3Processor",
        {
            "image_processor_type": "Gemma3ImageProcessor",
            **CENTRED,
            "size": {"height": 56, "width": 56},
        },
        templates.GEMMA_3,
        GEMMA,
        {
            "bos_token": "<bos>",
            "eos_token": "<eos>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "add_bos_token": True,
            "extra_special_tokens": GEMMA_IMAGE,
        },
        "GemmaTokenizer",
        processing={"image_seq_length": 4},
    ),
}
