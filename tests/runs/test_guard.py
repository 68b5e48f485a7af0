"""A stranger's run folder: nothing in it is followed, waited for or written over, and what is
written is its owner's alone."""

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from kodata import drafts
from kodata.prepare.output import Output
from kotune import bodies, pipeline
from kotune.display.progress import Screen
from kotune.errors import KotuneError, StageError
from kotune.runs import guard
from kotune.runs.events import keep_metrics_until
from kotune.runs.finished import Finished, find
from kotune.runs.folder import Run, publish, write_text
from kotune.runs.job import Job
from kotune.train import training
from kotune.worker import call
from tests.conftest import Cli
from tests.finished import finished
from tests.test_cli import QUICK, assert_one_message

NAMES = [
    "run.json",
    "recipe.yml",
    "metrics.jsonl",
    "train.log",
    "report.md",
    "data",
    "samples/tuned",
    ".hidden",
    "model",
]


def link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")


def owned_by_another(path: Path) -> None:
    path.write_text("{}")
    try:
        os.chown(path, 12345, -1)
    except PermissionError:
        pytest.skip("only root gives files away")


def listening(path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)  # a socket's whole path may be too long
        socket.socket(socket.AF_UNIX).bind(path.name)


@pytest.mark.parametrize(
    "make", [link, os.mkfifo, device, listening, owned_by_another], ids=lambda make: make.__name__
)
def test_what_no_run_leaves_in_its_folder_is_refused_wherever_it_lies(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    for name in NAMES:
        folder = tmp_path / name.replace("/", "-")
        place = folder / name
        place.parent.mkdir(parents=True)
        make(place)
        for refuses in (guard.check, guard.check_own, Finished):
            with pytest.raises(KotuneError) as told:
                refuses(folder)
            assert str(told.value).startswith(f"{place}: ") and "\n" not in str(told.value)


def test_a_whole_run_and_what_trackers_leave_pass(tmp_path: Path) -> None:
    folder = finished(tmp_path / "a")
    (folder / "wandb" / "run-1" / "logs").mkdir(parents=True)
    (folder / "wandb" / "latest-run").symlink_to("run-1")
    (folder / "wandb" / "debug.log").symlink_to("run-1/logs/debug.log")
    guard.check_own(folder)
    guard.check_own(tmp_path / "none")
    for target in ("../recipe.yml", "/etc/hostname"):
        (folder / "wandb" / "debug.log").unlink()
        (folder / "wandb" / "debug.log").symlink_to(target)
        with pytest.raises(KotuneError, match="symbolic link"):
            guard.check(folder)
    (folder / "wandb" / "debug.log").unlink()
    (folder / "wandb" / "settings").write_text("[default]\nbase_url = https://example.com\n")
    with pytest.raises(KotuneError, match="settings of another program"):
        guard.check(folder)


def test_a_file_of_terabytes_is_refused_before_it_is_digested(tmp_path: Path) -> None:
    """What `truncate` makes takes no room on the disk, and hours to be read."""
    for name in ("metrics.jsonl", "samples/tuned/nli_sample_ko.jsonl", "data/manifest.json"):
        folder = finished(tmp_path / name.replace("/", "-"))
        os.truncate(folder / name, 4 << 40)
        for refuses in (guard.check, guard.check_own, Finished):
            with pytest.raises(
                KotuneError,
                match=f"{name}: a file of over 20,000,000,000 bytes, which no run makes",
            ):
                refuses(folder)
        # An adapter may be so large; what a report reads may not.
        os.truncate(folder / name, 1 << 33)
        guard.check(folder)
        if name != "data/manifest.json":
            with pytest.raises(KotuneError, match=f"{name}: (over|missing)"):
                Finished(folder).check()


def test_every_command_refuses_with_one_message(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "pages").mkdir()
    folder = finished(tmp_path / "pages" / "a")
    os.mkfifo(folder / "zz")
    for words in (["report", folder], ["compare", folder]):
        assert_one_message(cli(*words), 1, f"{folder / 'zz'}: a pipe, a socket")
    said = cli("run", QUICK, "--dry-run").stdout
    run = tmp_path / said.splitlines()[0].rpartition(" -> ")[2]
    run.mkdir(parents=True)
    os.mkfifo(run / "run.json")
    for words in (
        ["run", QUICK],
        ["run", QUICK, "--dry-run"],
        ["report", QUICK],
        ["compare", QUICK],
    ):
        assert_one_message(cli(*words), 1, "run.json: a pipe, a socket")
    study = tmp_path / "one.yml"
    study.write_text(f"recipes: [{QUICK}]\nvary: {{seed: [42]}}\n")
    assert_one_message(cli("study", study, "--report-only"), 1, "no cell is scored yet")
    (tmp_path / "runs" / "one").mkdir()
    os.mkfifo(tmp_path / "runs" / "one" / "study.json")
    assert_one_message(cli("study", study, "--dry-run"), 1, "study.json: a pipe, a socket")
    (run / "run.json").unlink()
    run.rmdir()
    run.symlink_to(tmp_path / "pages")
    assert_one_message(cli("run", QUICK), 1, "a symbolic link instead of a run folder")


def test_one_bad_folder_does_not_hide_a_good_run(tmp_path: Path) -> None:
    from kotune.recipe.reading import load, run_name

    good = finished(tmp_path / run_name(QUICK, load(QUICK), None))
    bad = tmp_path / f"{QUICK.stem}-00000000"
    bad.mkdir()
    os.mkfifo(bad / "run.json")
    assert find(QUICK, tmp_path) == good


BASE = "evil/model"


@pytest.mark.parametrize(
    "make", [link, os.mkfifo, Path.mkdir, Path.touch], ids=lambda make: make.__name__
)
def test_nothing_in_a_run_folder_has_the_name_of_the_hubs_model(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """Children are started there, and transformers takes a folder of that name for the model."""
    for base in (BASE, "data/model", "wandb/x", "samples/base"):
        folder = tmp_path / base.replace("/", "-")
        (folder / base).parent.mkdir(parents=True)
        make(folder / base)
        with pytest.raises(
            KotuneError, match=f"{folder / base}: would be loaded instead of the hub's model {base}"
        ):
            guard.refuse_namesake(folder, base)
        with pytest.raises(KotuneError):
            guard.check_run(folder, base)


def test_a_run_folder_has_no_folders_but_a_runs(tmp_path: Path) -> None:
    """A data set or a metric of the hub would be taken from there: `evaluate` runs the file in a
    metric's folder."""
    folder = finished(tmp_path / "a")
    for name in ("wandb", "mlruns", ".cometml-runs", "checkpoints", "prepared", "scored", "model"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "notes.txt").write_text("mine")
    guard.check_run(folder, BASE)
    guard.check_run(folder, str(folder / "model"))  # a local model, wherever it lies
    guard.check_run(tmp_path / "none", BASE)
    for name in ("skt", "exact_match", "evil"):
        (folder / name).mkdir()
        with pytest.raises(KotuneError, match=f"{folder / name}: a folder that no run makes"):
            guard.check_run(folder, BASE)
        (folder / name).rmdir()


def test_run_refuses_a_namesake_before_anything_and_again_before_each_stage(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "own.yml"
    recipe.write_text(
        f"model: {BASE}\ntemplate: llama3\ndata: [{{source: nli_sample, samples: 60}}]\n"
    )
    run = tmp_path / cli("run", recipe, "--dry-run").stdout.splitlines()[0].rpartition(" -> ")[2]
    (run / BASE).mkdir(parents=True)
    assert_one_message(
        cli("run", recipe, "--dry-run"), 1, f"{BASE}: would be loaded instead of the hub's model"
    )
    assert_one_message(cli("run", recipe), 1, f"{BASE}: would be loaded instead of the hub's model")
    (run / BASE).rmdir()
    (run / BASE).parent.rmdir()
    made = bodies.BODIES["prepare"]

    def prepare(job: Job, screen: Screen) -> None:
        made(job, screen)
        job.run.path(BASE).mkdir(parents=True)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "require_engines", lambda: None)
    monkeypatch.setitem(bodies.BODIES, "prepare", prepare)
    with pytest.raises(KotuneError, match=f"{BASE}: would be loaded instead of the hub's model"):
        pipeline.run(recipe, pipeline.RunOptions(until="render"), Screen())


def trap(folder: Path, *names: str) -> Path:
    """A file outside, and links to it under these names."""
    outside = folder.parent / "outside"
    outside.write_text("mine")
    for name in names:
        (folder / name).symlink_to(outside)
    return outside


def test_nothing_that_is_written_follows_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    old = (
        "report.md",
        ".report.md.partial",
        "train.log",
        "parity.log",
        "metrics.jsonl",
        ".metrics.jsonl.partial",
    )
    data = (
        "train.jsonl",
        "train.jsonl.part",
        "validation.jsonl",
        "manifest.json",
        "manifest.json.part",
    )
    outside = trap(folder, *old, *data)
    write_text(folder / "report.md", "ours")
    keep_metrics_until(folder / "metrics.jsonl", 0)
    for log in ("train.log", "parity.log"):
        with drafts.open_new(folder / log) as file:
            file.write("ours")
    with Output(folder) as output:
        output.finish({})
    assert outside.read_text() == "mine"
    left = {path.name for path in folder.iterdir() if path.is_symlink()}
    assert left == {
        ".report.md.partial",
        ".metrics.jsonl.partial",
        "train.jsonl.part",
        "manifest.json.part",
    }


def test_logs_of_jobs_and_of_training_follow_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    outside = trap(folder, "nowhere.log", "train.log")
    with pytest.raises(StageError):
        call.call("nowhere", folder)
    monkeypatch.setattr(training, "command", lambda *_: ["false"])
    with pytest.raises(StageError, match="axolotl exited with 1"):
        list(training.train(folder, {}))
    assert outside.read_text() == "mine"


def test_the_plugin_follows_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("axolotl")
    from types import SimpleNamespace

    from kotune.train import plugin

    monkeypatch.chdir(tmp_path)
    state = SimpleNamespace(is_world_process_zero=True)
    plugin._write(state, event="log")
    plugin._write(state, event="log")
    assert Path("metrics.jsonl").read_text().count("\n") == 2
    Path("metrics.jsonl").rename("other")
    Path("metrics.jsonl").symlink_to("other")
    with pytest.raises(OSError):
        plugin._write(state, event="log")


def test_a_draft_has_another_name_each_time_and_leaves_nothing_when_it_fails(
    tmp_path: Path,
) -> None:
    seen = set()
    for _ in range(20):
        with pytest.raises(RuntimeError), drafts.draft(tmp_path / "a"):
            seen |= {path.name for path in tmp_path.iterdir()}
            raise RuntimeError
    assert len(seen) == 20 and not list(tmp_path.iterdir())


def test_what_a_killed_run_left_is_taken_away_and_what_is_being_written_is_not(
    tmp_path: Path,
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    run = tmp_path / "run"
    (run / "deep" / ".model.abc.partial").mkdir(parents=True)
    for name in (
        ".run.json.old.partial",
        ".run.json.new.partial",
        "deep/.model.abc.partial/weights",
    ):
        (run / name).write_text("")
    for name in (".run.json.old.partial", "deep/.model.abc.partial"):
        os.utime(run / name, (0, 0))
    drafts.clear(run)
    assert sorted(path.name for path in run.rglob("*")) == [".run.json.new.partial", "deep"]


def test_a_run_is_its_owners_alone_unless_they_say_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o022)
    try:
        options = pipeline.RunOptions(until="prepare", runs_dir=tmp_path / "runs")
        folder = pipeline.run(QUICK, options, Screen()).root
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert len(files) >= 5 and {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        folder.chmod(0o750)
        pipeline.run(QUICK, options, Screen())
        assert stat.S_IMODE(folder.stat().st_mode) == 0o750
        publish(tmp_path / "page.html", "")
        assert stat.S_IMODE((tmp_path / "page.html").stat().st_mode) == 0o644
    finally:
        os.umask(before)


def test_the_lock_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError), Run(tmp_path / "b").lock():
        pass
