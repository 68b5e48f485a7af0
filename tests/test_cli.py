"""The command line as a user meets it: exit codes, one clear message for every mistake, nothing
heavy, nothing left behind."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from kotune.cli import cli as program
from tests.conftest import ROOT, Cli, write_recipe

QUICK = ROOT / "recipes" / "quickstart_llama.yml"
GOOD = "model: quickstart-llama\ndata:\n  - source: nli_sample\n"
KLUE = "model: quickstart-llama\ndata:\n  - source: klue_nli\n    path: data\n"
ROW = {
    "guid": "g0",
    "genre": "x",
    "premise": "비가 온다.",
    "hypothesis": "날이 맑다.",
    "gold_label": "contradiction",
}


def assert_one_message(done: "subprocess.CompletedProcess[str]", code: int, *told: str) -> None:
    assert done.returncode == code, done.stderr + done.stdout
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr + done.stdout
    for text in told:
        assert text in done.stderr


def test_what_is_for_a_launcher_is_refused_without_one_and_an_unknown_one_by_name(cli: Cli) -> None:
    assert_one_message(
        cli("run", QUICK, "--dry-run", "--", "--nproc_per_node=2"),
        2,
        "add --launcher torchrun or accelerate",
    )
    assert_one_message(
        cli("run", QUICK, "--dry-run", "--launcher", "torchrum"), 2, "did you mean torchrun?"
    )
    done = cli(
        "run", QUICK, "--dry-run", "--launcher", "torchrun", "--", "--nproc_per_node=2", "--help"
    )
    assert done.returncode == 0 and "train    to do" in done.stdout


def test_lm_eval_gets_its_words_unchanged_and_knows_our_model_whichever_is_named(
    tmp_path: Path,
) -> None:
    """With an interpreter that prints what it is given, and whether modules of the current folder
    are ignored."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "safe $PYTHONSAFEPATH"\n')
    python.chmod(0o755)
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import cli\n"
        f"sys.executable = {str(python)!r}\n"
    )
    words = ["lm_eval", "--config", "my.yml", "--tasks", "klue_nli_ko", "--help", "-h", "a b"]
    done = subprocess.run(
        [sys.executable, "-c", f"{code}cli.cli({words!r})"],
        capture_output=True,
        text=True,
        check=False,
    )
    started = ["-m", "kotune.score.in_lm_eval", *words[1:], "safe 1"]
    assert done.stdout.splitlines() == started, done.stderr


@pytest.mark.parametrize("columns", ["80", "50"])
def test_help_lists_every_command_with_a_whole_sentence(columns: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": columns},
    )
    rows = re.split(r"\n  (?=\w)", done.stdout.partition("\nCommands:")[2])[1:]
    listed = {name: " ".join(words) for name, *words in map(str.split, rows)}
    assert sorted(listed) == sorted(program.commands)
    for name, sentence in listed.items():
        assert re.fullmatch(r"[A-Z][a-z]+ .*[^.]\.", sentence), sentence
        assert " ".join((program.commands[name].help or "").split()).startswith(sentence)


@pytest.mark.parametrize("command", program.commands)
def test_help_of_every_option_is_a_sentence(command: str) -> None:
    for option in program.commands[command].params:
        if isinstance(option, click.Option):
            assert re.fullmatch(r"[A-Z][a-z]+ .*\.", option.help or ""), option.name


def test_check_and_render_say_what_a_recipe_is(cli: Cli) -> None:
    assert (
        "no problems. quickstart-llama, lora, nli_sample (label); scored by nli_sample_ko"
        in cli("check", QUICK).stdout
    )
    assert (
        "base_model: meta-llama/Llama-3.2-1B-Instruct"
        in cli("render", ROOT / "recipes" / "llama_lora.yml").stdout
    )
    assert "bf16: auto" in cli("render", QUICK, "--device", "cuda").stdout
    assert "bf16: false" in cli("render", QUICK, "--device", "cpu").stdout


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["check", str(QUICK)],
        ["render", str(QUICK)],
        ["preview", "--help"],
        ["plan", "--help"],
        ["doctor", "--help"],
    ],
    ids=" ".join,
)
def test_light_commands_import_nothing_heavy(words: list[str]) -> None:
    heavy = ("torch", "transformers", "axolotl", "lm_eval", "datasets")
    code = (
        f"import runpy, sys; sys.argv = ['cli.py', *{words!r}]\n"
        f"try: runpy.run_path({str(ROOT / 'cli.py')!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        f"print('HEAVY', [name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "HEAVY []" in done.stdout


def test_a_light_environment_is_enough_for_check_and_render(tmp_path: Path) -> None:
    """Importing any package of the `train` extra fails, as where only the light install is
    there."""
    heavy = (
        "torch",
        "transformers",
        "axolotl",
        "lm_eval",
        "datasets",
        "numpy",
        "pyarrow",
        "orjson",
        "jinja2",
    )
    blocker = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in heavy)
    (tmp_path / "sitecustomize.py").write_text(blocker)
    env = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"}
    light = (
        ["check", str(QUICK)],
        ["render", str(QUICK)],
        ["--help"],
        ["plan", str(QUICK)],
        ["doctor"],
    )
    for words in light:
        done = subprocess.run(
            [sys.executable, str(ROOT / "cli.py"), *words],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    for words in (
        ["run", str(QUICK), "--runs-dir", str(tmp_path / "runs")],
        ["preview", str(QUICK)],
    ):
        done = subprocess.run(
            [sys.executable, str(ROOT / "cli.py"), *words],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert_one_message(done, 2, "make setup")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["check", "render", "run"])
def test_a_bad_recipe_is_told_by_every_command(cli: Cli, tmp_path: Path, command: str) -> None:
    path = write_recipe(tmp_path, GOOD + "sead: 1\n")
    assert_one_message(cli(command, path), 2, f"{path}: sead: unknown key; did you mean seed?")
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", QUICK, "--until", "trane"], "unknown stage; did you mean train?"),
        (["chekc", QUICK], "unknown command `chekc`; did you mean check?"),
        (["check", "absent.yml"], "absent.yml: no such file; `ls recipes/ recipes/studies/` lists"),
        (
            ["check", QUICK.parent / "studies" / "few_data.yml"],
            "a study, not a recipe; use ./cli.py study",
        ),
        (["study", QUICK], "a recipe, not a study; use ./cli.py run"),
        (
            ["check", QUICK.with_name("quickstart_lama.yml")],
            "no such file; did you mean quickstart_llama.yml?",
        ),
        (
            ["run", QUICK, "--limit", "some"],
            "`some` is neither a number of items, 1 or more, nor quick",
        ),
        (["run", QUICK, "--lang", "kr"], "'kr' is not one of 'en', 'ko'"),
        (["compare"], "Missing argument 'RUN...'."),
        (["check", QUICK, "--set", "axolotl.learning_rate=2e-4"], "not a number; write 2.0e-4"),
    ],
)
def test_a_usage_error_is_one_message(
    cli: Cli, tmp_path: Path, words: list[object], told: str
) -> None:
    assert_one_message(cli(*words), 2, told)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("klue-nli-v1.1_train.json", json.dumps([ROW], ensure_ascii=False)[:-30], "cut short"),
        ("klue-nli-v1.1_train.json", "", "no rows in it"),
        (
            "klue-nli-v1.1_train.json",
            json.dumps([{k: v for k, v in ROW.items() if k != "hypothesis"}]),
            "hypothesis",
        ),
        (
            "klue-nli-v1.1_train.json",
            json.dumps([{**ROW, "gold_label": "contradictory"}]),
            "contradiction",
        ),
        (
            "klue-nli-v1.1_train.json",
            json.dumps([ROW], ensure_ascii=False).encode("cp949"),
            "cp949",
        ),
        ("other.json", "[]", "klue-nli-v1.1_train.json"),
    ],
    ids=["cut short", "empty", "no hypothesis", "unknown label", "CP949", "no data in the folder"],
)
@pytest.mark.few(2)
def test_bad_data_stops_the_run_with_its_place_and_leaves_no_run_folder(
    cli: Cli, tmp_path: Path, name: str, content: str | bytes, told: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "klue-nli-v1.1_dev.json").write_text(json.dumps([ROW]), encoding="utf-8")
    (tmp_path / "data" / name).write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    path = write_recipe(tmp_path, KLUE)
    done = cli("run", path)
    assert_one_message(done, 1, "klue")
    assert told.lower() in done.stderr.lower()
    assert not list((tmp_path / "runs").glob("*"))


def test_offline_without_a_cache_or_a_path_says_what_to_do(cli: Cli, tmp_path: Path) -> None:
    assert_one_message(
        cli("run", write_recipe(tmp_path, KLUE.replace("    path: data\n", ""))),
        1,
        "HF_HUB_OFFLINE is set",
    )
    assert not list((tmp_path / "runs").glob("*"))


def test_a_missing_data_folder_is_told_before_anything_starts(cli: Cli, tmp_path: Path) -> None:
    assert_one_message(
        cli("run", write_recipe(tmp_path, KLUE)), 2, "data.0.path: `data` does not exist"
    )


def test_a_dry_run_tells_the_stages_and_writes_nothing(cli: Cli, tmp_path: Path) -> None:
    done = cli("run", QUICK, "--dry-run")
    assert done.returncode == 0
    assert done.stdout.count("to do") == 5
    assert not list(tmp_path.iterdir())


def test_prepare_alone_writes_the_data_and_is_not_done_twice(cli: Cli, tmp_path: Path) -> None:
    assert cli("run", QUICK, "--until", "prepare").returncode == 0
    run = next((tmp_path / "runs").iterdir())
    names = {"train.jsonl", "validation.jsonl", "manifest.json"}
    assert {path.name for path in (run / "data").iterdir()} == names
    before = (run / "data" / "train.jsonl").stat().st_mtime_ns
    assert "done before, nothing changed" in cli("run", QUICK, "--until", "prepare").stdout
    assert (run / "data" / "train.jsonl").stat().st_mtime_ns == before
