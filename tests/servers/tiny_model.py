"""A language model of 0.2 MB with random weights, in the files that transformers reads."""

import json
import struct
from array import array
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

__all__ = ["write_tiny_model"]

_WIDTH: Final = 32
_INNER: Final = 64
_LAYERS: Final = 2
_LONGEST: Final = 4096
_MARKS: Final = ("<s>", "</s>")
_WORDS: Final = (
    *("the", "owl", "sees", "what", "a", "river", "knows", ",", "and", "then", "it", "flies", "home", "."),
    *("Why", "?", "Because", "night", "is", "long", ";", "so", "are", "songs", "!", "We", "know", "little"),
    *("of", "wind", "\N{OWL}", "stars", "\u00fcber", "\u6f22\u5b57", "caf\u00e9", "\n", "42", "yes", "no"),
)
_TEMPLATE: Final = (
    "{% for message in messages %}<s>{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "<s>assistant:"
)


def write_tiny_model(folder: Path, seed: int = 3) -> None:
    """Write a model and its tokenizer.

    It reads every text, byte by byte, and says words. The same seed is the same model.

    Args:
        folder: where; it is made.
        seed: of the weights.
    """
    folder.mkdir(parents=True)
    letters = _letters()
    words = dict.fromkeys("".join(letters[byte] for byte in f" {word}".encode()) for word in _WORDS)
    spoken = [word for word in words if len(word) > 1]
    vocabulary = {token: number for number, token in enumerate((*_MARKS, *letters, *spoken))}
    settings = {
        "config.json": _config(len(vocabulary)),
        "generation_config.json": {"bos_token_id": 0, "eos_token_id": 1, "max_new_tokens": 24},
        "tokenizer.json": _tokenizer(vocabulary),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": _MARKS[0],
            "eos_token": _MARKS[1],
            "pad_token": _MARKS[1],
            "model_max_length": _LONGEST,
            "chat_template": _TEMPLATE,
        },
    }
    for name, value in settings.items():
        (folder / name).write_text(json.dumps(value))
    (folder / "model.safetensors").write_bytes(_weights(Random(seed), len(vocabulary), len(spoken)))  # noqa: S311


def _letters() -> list[str]:
    """A letter for each byte, as byte-level tokenizers have it: itself if it can be seen, else another."""
    seen = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in seen else next(others)) for byte in range(256)]


def _config(size: int) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "vocab_size": size,
        "hidden_size": _WIDTH,
        "intermediate_size": _INNER,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": _LONGEST,
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }


def _tokenizer(vocabulary: dict[str, int]) -> dict[str, object]:
    bytewise = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    marks = [
        {
            "id": vocabulary[mark],
            "content": mark,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for mark in _MARKS
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": marks,
        "normalizer": None,
        "pre_tokenizer": bytewise,
        "post_processor": None,
        "decoder": bytewise,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": [],
        },
    }


def _weights(rng: Random, size: int, spoken: int) -> bytes:
    """All tensors, in the format safetensors: the length of a header, the header, the numbers."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = bytearray()
    for name, shape in _shapes(size):
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        numbers = [1.0] * count if len(shape) == 1 else [rng.gauss(0, 0.3) for _ in range(count)]
        if name == "lm_head.weight":
            # It says words and the end, no single byte: those are half characters.
            silent = size - spoken
            numbers[: silent * _WIDTH] = [0.0] * (silent * _WIDTH)
            numbers[_WIDTH : 2 * _WIDTH] = [rng.gauss(0, 0.9) for _ in range(_WIDTH)]
        start = len(data)
        data += array("f", numbers).tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, len(data)]}
    told = json.dumps(header).encode()
    return struct.pack("<Q", len(told)) + told + bytes(data)


def _shapes(size: int) -> Iterator[tuple[str, list[int]]]:
    yield "model.embed_tokens.weight", [size, _WIDTH]
    for layer in range(_LAYERS):
        name = f"model.layers.{layer}"
        for part in "qkvo":
            yield f"{name}.self_attn.{part}_proj.weight", [_WIDTH, _WIDTH]
        yield f"{name}.mlp.gate_proj.weight", [_INNER, _WIDTH]
        yield f"{name}.mlp.up_proj.weight", [_INNER, _WIDTH]
        yield f"{name}.mlp.down_proj.weight", [_WIDTH, _INNER]
        yield f"{name}.input_layernorm.weight", [_WIDTH]
        yield f"{name}.post_attention_layernorm.weight", [_WIDTH]
    yield "model.norm.weight", [_WIDTH]
    yield "lm_head.weight", [size, _WIDTH]
