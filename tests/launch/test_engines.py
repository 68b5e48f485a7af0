"""launch: one file, the exact command, the engine's own command line, and no token in any of
them."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from kotune.errors import RecipeError, StageError
from kotune.launch import engines
from kotune.launch.engine import TOKENS, Launch, LaunchOptions, Submission, local_paths
from kotune.recipe.reading import load
from tests.conftest import ROOT, Cli, write_recipe
from tests.test_cli import assert_one_message

RECIPES = tuple(
    Path("recipes") / f"{name}.yml" for name in ("quickstart_llama", "llama_qlora", "deepseek_lora")
)
BUCKET = "s3://my-runs"
CANARY = "hf_CanaryForNoFileAndNoCommandLine00"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the recipes, as a checkout has them."""
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    (tmp_path / "cli.py").touch()
    monkeypatch.chdir(tmp_path)
    for name in TOKENS:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def prepared(
    engine: str, *recipes: Path, overrides: tuple[str, ...] = (), **options: Any
) -> Launch:
    bucket = {"bucket": BUCKET} if engine == "sky" else {}
    submissions = [Submission(recipe, overrides) for recipe in recipes or RECIPES[:1]]
    return engines.prepare(submissions, engine, LaunchOptions(**{**bucket, **options}))


def fake(folder: Path, program: str, code: int = 0) -> str:
    """A PATH with nothing but a program that writes down how it was called."""
    folder.mkdir(exist_ok=True)
    script = (
        f'#!/bin/sh\nprintf "%s\\n" "$@" >> {shlex.quote(str(folder / "called"))}\nexit {code}\n'
    )
    (folder / program).write_text(script)
    (folder / program).chmod(0o755)
    return str(folder)


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_a_dry_run_writes_the_file_tells_the_command_and_starts_nothing(
    cli: Cli, here: Path, engine: str
) -> None:
    bucket = ["--bucket", BUCKET] if engine == "sky" else []
    path = fake(here / "bin", engines.ENGINES[engine].program)
    done = cli(
        "launch", RECIPES[0], "--on", engine, *bucket, "--dry-run", "--", "--more=1", PATH=path
    )
    assert done.returncode == 0, done.stderr
    file = here / done.stdout.split()[1]
    assert file.parent == here / "runs" / "launch" and file.is_file()
    assert "--more=1" in shlex.split(done.stdout.splitlines()[1])
    assert not (here / "bin" / "called").exists()


@pytest.mark.parametrize(
    ("engine", "program"), [("docker", "docker"), ("slurm", "sbatch"), ("sky", "sky")]
)
def test_the_engines_own_command_line_is_started_with_what_was_told(
    cli: Cli, here: Path, engine: str, program: str
) -> None:
    bucket = ["--bucket", BUCKET] if engine == "sky" else []
    path = fake(here / "bin", program)
    done = cli("launch", RECIPES[0], "--on", engine, *bucket, "--", "--name=a b", PATH=path)
    assert done.returncode == 0, done.stderr
    called = (here / "bin" / "called").read_text().splitlines()
    assert [program, *called] == shlex.split(done.stdout.splitlines()[1])
    assert "--name=a b" in called


@pytest.mark.parametrize(
    ("engine", "program", "page"),
    [("docker", "docker", "docker"), ("slurm", "sbatch", "slurm"), ("sky", "sky", "skypilot")],
)
def test_an_engine_that_is_not_there_or_fails_is_one_message(
    cli: Cli, here: Path, engine: str, program: str, page: str
) -> None:
    words = (
        "launch",
        RECIPES[0],
        "--on",
        engine,
        *(["--bucket", BUCKET] if engine == "sky" else []),
    )
    (here / "empty").mkdir()
    absent = cli(*words, PATH=str(here / "empty"))
    assert_one_message(absent, 2, f"`{program}` is not on the PATH", f"(docs/{page}.md)")
    assert (ROOT / "docs" / f"{page}.md").exists()
    failed = cli(*words, PATH=fake(here / "bin", program, code=9))
    assert_one_message(failed, 9 if engine == "docker" else 1, f"{program} ended with 9")


def test_bad_words_are_one_message_and_write_nothing(cli: Cli, here: Path) -> None:
    recipe = RECIPES[0]
    assert_one_message(
        cli("launch", recipe, "--on", "slrum"), 2, "--on slrum: unknown engine; did you mean slurm?"
    )
    assert_one_message(cli("launch", "no.yml", "--on", "slurm"), 2, "no.yml")
    assert_one_message(
        cli("launch", recipe, "--on", "slurm", "--set", "adapter=lra"), 2, "did you mean lora?"
    )
    assert_one_message(cli("launch", recipe, "--on", "sky"), 2, "--bucket s3://NAME")
    assert_one_message(
        cli("launch", recipe, "--on", "sky", "--bucket", "runs"), 2, "--bucket s3://NAME"
    )
    assert_one_message(
        cli("launch", recipe, "--on", "docker", "--bucket", BUCKET),
        2,
        "only SkyPilot uses a bucket",
    )
    assert_one_message(
        cli("launch", ROOT / recipe, "--on", "sky", "--bucket", BUCKET),
        2,
        "uploads only this folder",
    )
    (here / "cli.py").unlink()
    assert_one_message(
        cli("launch", recipe, "--on", "sky", "--bucket", BUCKET), 2, "cli.py is not in it"
    )
    assert not (here / "runs").exists()


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_tokens_are_named_and_their_values_stand_nowhere(
    monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    for name in ("HF_TOKEN", "WANDB_API_KEY"):
        monkeypatch.setenv(name, CANARY)
    launched = prepared(engine, *RECIPES)
    assert CANARY not in launched.text + repr(launched.commands)
    if engine == "docker":
        assert {"HF_TOKEN", "WANDB_API_KEY"} <= set(launched.text.splitlines())
    if engine == "sky":
        assert yaml.safe_load(launched.text)["secrets"] == {"HF_TOKEN": None, "WANDB_API_KEY": None}
        assert launched.commands[0][3:7] == ["--secret", "HF_TOKEN", "--secret", "WANDB_API_KEY"]


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_settings_reach_the_run(engine: str) -> None:
    launched = prepared(
        engine, *RECIPES, overrides=("axolotl.max_steps=6", "seed=7"), limit="quick", lang="ko"
    )
    told = launched.text + "".join(shlex.join(command) + "\n" for command in launched.commands)
    words = "--set axolotl.max_steps=6 --set seed=7 --limit quick --lang ko"
    assert told.count(words) == 3


def mounts(command: list[str]) -> list[str]:
    return [after for word, after in pairwise(command) if word == "--volume"]


def test_docker_gets_gpus_shared_memory_and_the_recipe_and_data_of_this_machine(here: Path) -> None:
    (here / "data").mkdir()
    data = "model: quickstart-llama\ndata:\n  - source: klue_nli\n    path: data\n"
    recipe = write_recipe(here / "recipes", data).relative_to(here)
    (command,) = prepared("docker", recipe).commands
    assert command[-3:] == ["kotune", "run", "recipes/recipe.yml"]
    words = shlex.join(command)
    for part in (
        "--gpus all",
        "--shm-size 10g",
        "--ulimit memlock=-1",
        "--env-file runs/launch/docker.env",
    ):
        assert part in words
    assert mounts(command) == [
        "kotune-cache:/cache",
        f"{here}/runs:/inputs/runs",
        f"{here}/{recipe}:/inputs/{recipe}:ro",
        f"{here}/data:/inputs/data:ro",
    ]


@pytest.mark.parametrize("path", [".", "kotune", "kodata", "runs/..", "workspace"])
def test_no_recipe_lays_a_folder_over_the_code_in_the_container(here: Path, path: str) -> None:
    """Nor over its system: all that is mounted lies below folders that the image leaves empty."""
    (here / path).mkdir(parents=True, exist_ok=True)
    text = f"model: quickstart-llama\ndata:\n  - source: klue_nli\n    path: {path}\n"
    try:
        (command,) = prepared("docker", write_recipe(here, text)).commands
    except RecipeError as error:
        assert path == "runs/.." and "below this folder" in str(error)
        return
    assert (
        command[command.index("--workdir") + 1] == "/inputs" and command[-1] == "/recipe/recipe.yml"
    )
    targets = [Path(mount.split(":")[1]) for mount in mounts(command)]
    assert all(target.parts[1] in ("inputs", "recipe", "cache") for target in targets)


@pytest.mark.parametrize("path", ["/usr/lib", "../outside", "{here}/data"])
def test_docker_is_given_nothing_from_outside_this_folder(here: Path, path: str) -> None:
    """An absolute path would be laid over the container's own folder of that name."""
    for folder in (here.parent / "outside", here / "data"):
        folder.mkdir(exist_ok=True)
    text = (
        "model: quickstart-llama\n"
        "data:\n"
        "  - source: klue_nli\n"
        f"    path: {path.format(here=here)}\n"
    )
    with pytest.raises(
        RecipeError, match=r"a container only gets files below this folder; copy it here, or link"
    ):
        prepared("docker", write_recipe(here, text))


def test_a_run_in_a_container_has_the_name_that_it_has_without_one(here: Path) -> None:
    """Paths stay what the recipe says, so that a study finds its cells."""
    (here / "data").mkdir()
    text = "model: quickstart-llama\ndata:\n  - source: klue_nli\n    path: data\n"
    recipe = write_recipe(here, text).relative_to(here)
    (command,) = prepared("docker", recipe, overrides=("seed=7",)).commands
    assert command[-4:] == ["run", "recipe.yml", "--set", "seed=7"]


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_the_number_of_seeds_reaches_the_run(cli: Cli, here: Path, engine: str) -> None:
    words = ["launch", *RECIPES, "--on", engine, "--limit", "quick", "--dry-run"]
    words += ["--bucket", BUCKET] if engine == "sky" else []
    for seeds, times in (["--seeds", "2"], len(RECIPES)), ([], 0):
        done = cli(*words, *seeds)
        assert done.returncode == 0, done.stderr
        written = done.stdout if engine == "docker" else (here / done.stdout.split()[1]).read_text()
        assert written.count("--limit quick --seeds 2") == written.count("--seeds") == times
    assert_one_message(cli(*words, "--seeds", "0"), 2, "--seeds 0: give a number of seeds, 1 to 10")


def test_what_a_recipe_names_of_this_machines_files_is_found(here: Path) -> None:
    for name in ("model", "nsmc"):
        (here / name).mkdir()
    (here / "model" / "config.json").write_text("{}")
    (here / "own.jinja").write_text("{{ messages }}")
    text = (
        "model: model\n"
        "template: own.jinja\n"
        "data:\n"
        "  - source: nli_sample\n"
        "tasks: [nli_sample_ko, nsmc_ko]\n"
    )
    recipe = load(write_recipe(here, text + "data_path: {nsmc: nsmc}\n"))
    assert local_paths(recipe) == [Path("nsmc"), Path("model"), Path("own.jinja")]
    assert local_paths(load(RECIPES[0])) == []


def test_an_image_has_no_names_no_secret_and_nothing_that_is_not_asked_for() -> None:
    """What hadolint does not say; `make image-check` builds it."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
    assert json.loads(lines[-1].removeprefix("ENTRYPOINT "))[-1] == "/kotune/cli.py"
    assert 'VOLUME ["/cache"]' in lines and not any(
        name in line for line in lines for name in TOKENS
    )
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*"
    assert all((ROOT / line[1:]).exists() for line in ignored if line.startswith("!"))


def test_dockers_own_command_line_takes_the_words() -> None:
    """Its client reads options and the file of names before it asks for its daemon, which need not
    be there."""
    if not shutil.which("docker"):
        pytest.skip("docker is not on the PATH")
    launched = prepared("docker")
    engines.write(launched)
    env = {**os.environ, "DOCKER_HOST": "unix:///nowhere.sock"}
    (command,) = launched.commands
    for words, told in (
        (command, "nowhere.sock"),
        ([*command[:2], "--no-such-word", *command[2:]], "unknown flag"),
    ):
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
        assert done.returncode and told in done.stderr, done.stderr


def sbatch(launched: Launch, folder: Path, code: int, state: str, **more: str) -> tuple[int, str]:
    """The script as SLURM would run it, around a run that ends with `code`; its exit code, and what
    scontrol was told."""
    script = launched.text.replace(
        f"{ROOT}/cli.py run", "sh -c 'echo ran $0 $*; exit $CODE'"
    ).replace("sleep 60", ":")
    path = fake(folder / "bin", "scontrol") + ":/usr/bin:/bin"
    (folder / "bin" / "squeue").write_text(f"#!/bin/sh\necho {state}\n")
    (folder / "bin" / "squeue").chmod(0o755)
    env = {"PATH": path, "CODE": str(code), "SLURM_JOB_ID": "5", **more}
    done = subprocess.run(
        ["bash", "-c", script], env=env, capture_output=True, text=True, check=False
    )
    called = folder / "bin" / "called"
    return done.returncode, done.stdout + (called.read_text() if called.exists() else "")


@pytest.mark.parametrize(
    ("code", "state", "starts", "again"),
    [
        (0, "RUNNING", "0", False),
        (1, "RUNNING", "0", False),
        (2, "RUNNING", "0", False),
        (143, "RUNNING", "30", True),
        (75, "RUNNING", "0", True),
        (75, "RUNNING", "10", False),
        (143, "COMPLETING", "0", False),
    ],
)
def test_a_slurm_job_is_started_again_where_another_start_helps(
    here: Path, code: int, state: str, starts: str, again: bool
) -> None:
    ended, said = sbatch(prepared("slurm"), here, code, state, SLURM_RESTART_COUNT=starts)
    assert ended == code
    assert ("requeue\n5\n" in said) == again


def test_several_recipes_are_an_array_of_slurms_and_one_is_none(here: Path) -> None:
    array = prepared("slurm", *RECIPES)
    assert "#SBATCH --array=0-2\n" in array.text and "--array" not in prepared("slurm").text
    for index, recipe in enumerate(RECIPES):
        assert (
            f"ran {recipe}" in sbatch(array, here, 0, "RUNNING", SLURM_ARRAY_TASK_ID=str(index))[1]
        )


def test_the_slurm_script_passes_sigterm_to_the_run_and_waits_for_its_checkpoint(
    here: Path,
) -> None:
    launched = prepared("slurm")
    run = 'trap "echo told; sleep 0.3; exit 143" TERM; echo ready; while :; do sleep 0.05; done'
    script = launched.text.replace(f"{ROOT}/cli.py run", f"bash -c '{run}'").replace(
        "sleep 60", ":"
    )
    path = fake(here / "bin", "scontrol") + ":/usr/bin:/bin"
    (here / "bin" / "squeue").write_text("#!/bin/sh\necho RUNNING\n")
    (here / "bin" / "squeue").chmod(0o755)
    env = {"PATH": path, "SLURM_JOB_ID": "5"}
    with subprocess.Popen(
        ["bash", "-c", script], env=env, stdout=subprocess.PIPE, text=True
    ) as job:
        assert job.stdout and job.stdout.readline() == "ready\n"
        job.terminate()
        said = job.communicate(timeout=20)[0]
    assert job.returncode == 143
    assert said.startswith("told\n") and "exit code 143" in said
    assert (here / "bin" / "called").read_text() == "requeue\n5\n"


def test_a_sky_task_goes_on_after_a_preemption_and_costs_nothing_when_idle() -> None:
    launched = prepared("sky", *RECIPES)
    task = yaml.safe_load(launched.text)
    assert task["resources"]["job_recovery"]["recover_on_exit_codes"] == [75, 143]
    assert task["resources"]["autostop"] == {"idle_minutes": 10, "down": True}
    assert task["file_mounts"] == {"/kotune-runs": {"source": BUCKET, "mode": "MOUNT_CACHED"}}
    runs = [line.split() for line in task["run"].splitlines() if line.startswith("try ")]
    assert [words[3] for words in runs] == [str(recipe) for recipe in RECIPES]
    assert task["run"].count("--runs-dir /kotune-runs") == 3
    assert launched.after == f"aws s3 sync {BUCKET} runs"


@pytest.mark.parametrize(
    ("code", "started", "ended"), [(1, 3, 1), (0, 3, 0), (75, 1, 75), (143, 1, 143)]
)
def test_a_run_that_fails_stops_no_other_on_the_same_machine_but_a_preemption_stops_all(
    here: Path, code: int, started: int, ended: int
) -> None:
    launched = prepared("sky", *RECIPES)
    (here / "cli.py").write_text(
        f"#!/bin/sh\necho ran\ncase $2 in *quickstart*) exit {code} ;; esac\n"
    )
    (here / "cli.py").chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", yaml.safe_load(launched.text)["run"]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.count("ran\n"), done.returncode) == (started, ended), done.stderr
    path = fake(here / "bin", "docker", code)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path)
        try:
            engines.hand_over(prepared("docker", *RECIPES), "docker")
        except StageError as error:
            assert error.exit_code == ended and str(error).count("docker ended with") == started
        else:
            assert ended == 0
    assert (here / "bin" / "called").read_text().splitlines().count("run") == 2 * started


def test_skypilots_own_parser_takes_the_task_and_refuses_a_wrong_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sky = shutil.which("sky")
    if not sky:
        pytest.skip(
            "sky is not on the PATH (make sky-check brings it, in an environment of its own)"
        )
    monkeypatch.setenv("HF_TOKEN", CANARY)
    launched = prepared("sky", *RECIPES)
    code = (
        "import sys, sky, yaml; text = sys.stdin.read()\n"
        "task = sky.Task.from_yaml_config(yaml.safe_load(text),"
        " secrets_overrides=[('HF_TOKEN', 'x')])\n"
        "one = list(task.resources)[0]\n"
        "print(len(task.resources), one.use_spot,"
        " one.job_recovery['recover_on_exit_codes'], one.autostop_config.down)\n"
        "try: sky.Task.from_yaml_config(yaml.safe_load(text.replace('use_spot', 'use_spto')))\n"
        "except Exception as error: print('refused')\n"
    )
    python = Path(sky).resolve().with_name("python")
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", code],
        input=launched.text,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-2:] == ["2 True [75, 143] True", "refused"], (
        done.stdout + done.stderr
    )


@pytest.mark.parametrize("name", ["한국어.yml", "a b.yml", "UPPER_lower.yml", "$(touch x).yml"])
@pytest.mark.parametrize("engine", engines.ENGINES)
def test_a_recipe_of_any_name_is_quoted(here: Path, engine: str, name: str) -> None:
    shutil.copy(RECIPES[0], here / name)
    launched = prepared(engine, Path(name))
    assert launched.file.stem.replace("-", "").replace(".", "").isascii()
    if engine == "slurm":
        assert f"ran {name}" in sbatch(launched, here, 0, "RUNNING")[1]
    assert not (here / "x").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["launch", str(RECIPES[0]), "--on", "slurm", "--dry-run"],
        [
            "study",
            "recipes/studies/few_data.yml",
            "--dry-run",
            "--gpu",
            "a100-40",
            "--price",
            "3000",
        ],
    ],
    ids=lambda words: words[0],
)
def test_a_dry_run_needs_the_light_install_alone(here: Path, words: list[str]) -> None:
    heavy = ("torch", "transformers", "axolotl", "lm_eval", "datasets")
    code = (
        f"import runpy, sys; sys.argv = {['cli.py', *words]!r}\n"
        f"try: runpy.run_path({str(ROOT / 'cli.py')!r}, run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code\n"
        f"assert not [name for name in {heavy} if name in sys.modules]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


BROKEN = (
    "a\nfile_mounts: {x: y}.yml",
    "a\r.yml",
    "a\x1b[2J.yml",
    "a:b.yml",
    "a\u2028b.yml",
    "a\x85b.yml",
)


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("engine", engines.ENGINES)
def test_a_name_that_an_engine_would_read_as_more_than_a_name_is_one_message(
    here: Path, engine: str, name: str
) -> None:
    shutil.copy(RECIPES[0], here / name)
    (here / "d:d").mkdir()
    data = write_recipe(
        here, "model: quickstart-llama\ndata:\n  - source: klue_nli\n    path: 'd:d'\n"
    )
    for recipe in (Path(name), data.relative_to(here)):
        with pytest.raises(RecipeError, match="has a colon or a control character") as caught:
            prepared(engine, recipe)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_this_folders_own_name_is_looked_at_too(
    here: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    inside = here / "a:b"
    shutil.copytree(here / "recipes", inside / "recipes")
    monkeypatch.chdir(inside)
    with pytest.raises(RecipeError, match="a colon or a control character"):
        prepared(engine, here / RECIPES[0])


NASTY = "axolotl.wandb_name='\n  touch x\nenvs: {A: $(touch x)}\n#SBATCH --wrap=x\n'"


def test_a_setting_with_lines_of_its_own_stays_one_word_for_sky(here: Path) -> None:
    launched = prepared("sky", overrides=(NASTY,), bucket="s3://a\nsetup: x")
    task = yaml.safe_load(launched.text)
    assert list(task) == ["name", "resources", "workdir", "file_mounts", "envs", "setup", "run"]
    assert task["envs"] == {"AXOLOTL_DO_NOT_TRACK": "1"} and "touch" not in task["setup"]
    assert task["file_mounts"]["/kotune-runs"]["source"] == "s3://a\nsetup: x"
    assert launched.after == "aws s3 sync 's3://a\nsetup: x' runs"
    (here / "cli.py").write_text('#!/bin/sh\nprintf "%s" "$4" > said\n')
    (here / "cli.py").chmod(0o755)
    subprocess.run(["bash", "-c", task["run"]], check=True)
    assert (here / "said").read_text() == NASTY
    assert not (here / "x").exists()


def test_a_setting_with_lines_of_its_own_stays_one_word_for_slurm(here: Path) -> None:
    launched = prepared("slurm", overrides=(NASTY,))
    head = launched.text[: launched.text.index("set -u")]
    assert "--wrap" not in head  # where sbatch reads: up to the first command
    assert sbatch(launched, here, 0, "RUNNING")[1].count("ran ") == 1
    assert not (here / "x").exists()


def test_a_long_name_is_cut(here: Path) -> None:
    shutil.copy(RECIPES[0], here / f"{'a' * 240}.yml")
    for engine in engines.ENGINES:
        engines.write(prepared(engine, Path(f"{'a' * 240}.yml")))


def test_an_unknown_bucket_service_is_refused() -> None:
    with pytest.raises(RecipeError, match="--bucket ftp://x"):
        prepared("sky", bucket="ftp://x")
