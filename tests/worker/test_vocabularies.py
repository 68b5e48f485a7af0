"""The second lock: no child of ours opens a file of the user's in the place of a vocabulary,
whoever asks for it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kotune.worker import bounds
from kotune.worker.environment import environment

pytest.importorskip("transformers")
# Of every folder beside it, in one process, since importing transformers takes longest.
LOAD = """
from pathlib import Path
from transformers import AutoTokenizer
for model in sorted(filter(Path.is_dir, Path().iterdir())):
    try:
        print(model, len(AutoTokenizer.from_pretrained(str(model)).get_vocab()))
    except ValueError as error:
        print(model, error)
"""


def child(folder: Path, code: str) -> "subprocess.CompletedProcess[str]":
    """As every child is started, and what Axolotl starts itself."""
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def model(folder: Path, **files: dict[str, object]) -> Path:
    """A model whose tokenizer would be loaded, with these files of JSON."""
    folder.mkdir()
    own = {
        "config": {"model_type": "bert"},
        "tokenizer_config": {"tokenizer_class": "FunnelTokenizer"},
        **files,
    }
    for name, keys in own.items():
        (folder / f"{name}.json").write_text(json.dumps(keys))
    return folder


def test_a_users_file_is_no_vocabulary(tmp_path: Path) -> None:
    """As if nobody had refused the models: transformers 5.16 reads the file that is named."""
    (tmp_path / "secret.txt").write_text("[UNK]\nhf_Canary123456\n")
    secret = str(tmp_path / "secret.txt")
    words = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "vocab": secret,
        "max_input_chars_per_word": 9,
    }
    words["continuing_subword_prefix"] = "##"
    model(
        tmp_path / "by config",
        tokenizer_config={"tokenizer_class": "FunnelTokenizer", "vocab": secret},
    )
    model(tmp_path / "by map", special_tokens_map={"vocab": secret})
    model(tmp_path / "by words", tokenizer={"version": "1.0", "added_tokens": [], "model": words})
    done = child(tmp_path, LOAD)
    told = done.stdout.splitlines()
    assert [line[:8] for line in told] == ["by confi", "by map t", "by words"], (
        done.stdout + done.stderr
    )
    assert all("vocabulary names a file outside" in line for line in told), told


def test_a_models_own_vocabulary_is_read(tmp_path: Path) -> None:
    for kind in ("BertTokenizer", "FunnelTokenizer"):
        own = model(
            tmp_path / kind, tokenizer_config={"tokenizer_class": kind, "do_lower_case": False}
        )
        (own / "vocab.txt").write_text(
            "[UNK]\n[PAD]\n[CLS]\n[SEP]\n[MASK]\n<unk>\n<pad>\n<cls>\n<sep>\n<mask>\n<s>\n</s>\n가\n나\n"
        )
    done = child(tmp_path, LOAD)
    assert done.stdout == "BertTokenizer 14\nFunnelTokenizer 14\n", done.stderr


def test_the_locked_classes_are_the_librarys_in_all_else(tmp_path: Path) -> None:
    code = (
        "import copy, tokenizers\n"
        "from tokenizers import models\n"
        "from tokenizers.models import WordLevel\n"
        "made = tokenizers.Tokenizer(WordLevel({'가': 0}, unk_token='가'))\n"
        "print(isinstance(made.model, models.WordLevel), isinstance(made.model,"
        " models.BPE), WordLevel.__name__,\n"
        "      copy.deepcopy(made).encode('가').ids,"
        " tokenizers.Tokenizer(models.BPE()).get_vocab_size())\n"
        "for ask in (lambda: models.BPE.from_file('a', 'b'), lambda:"
        " WordLevel.read_file('/etc/passwd'),\n"
        "            lambda: models.WordPiece(vocab='/etc/passwd'), lambda:"
        " models.BPE('/etc/passwd', '/etc/passwd'),\n"
        "            lambda: models.BPE({}, '/dev/ptmx')):\n"
        "    try:\n"
        "        ask()\n"
        "    except ValueError as error:\n"
        "        print(str(error)[:20])"
    )
    done = child(tmp_path, code)
    assert done.stdout.splitlines() == [
        "True False WordLevel [0] 0",
        *["the model's vocabula"] * 5,
    ], done.stderr


def test_a_read_that_waits_ends_with_its_process() -> None:
    """It takes no CPU time."""
    code = (
        "import os\n"
        "from kotune.worker import bounds\n"
        "bounds.WALL_SECONDS = bounds.WALL_PER_CPU = 0.2\n"
        "bounds.CPU_SECONDS = 1.0\n"
        "with bounds.tokenizing():\n"
        "    pass\n"
        "end, _ = os.pipe()\n"
        "with bounds.tokenizing():\n"
        "    os.read(end, 1)"
    )
    done = child(Path.cwd(), code)
    assert done.returncode == -signal.SIGALRM, done.stderr
    assert "waits for something" in bounds.EXCESS[-signal.SIGALRM]
