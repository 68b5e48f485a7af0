"""Data from the hub: a stand-in on loopback serves the four data sets, says no, breaks off and
falls silent."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kodata import klue_nli
from kodata.errors import DataError, HubDeniedError, HubError
from kodata.prepare.convert import convert
from kodata.prepare.entries import DataLocation, Entry, Scored
from kodata.progress import BYTES, Progress
from kodata.reading import guard
from kodata.reading import hub as kodata_hub
from kotune.runs.task_data import TaskData
from tests.conftest import Cli, write_recipe
from tests.hub import MOVING, SOURCES, Fault, StandInHub, all_files, put_official, running

pytest.importorskip("huggingface_hub")
pytest.importorskip("datasets")

FILE = klue_nli._FINDER.hub["test"]
FORM = {"klue_nli": "label", "korquad": "answer", "nsmc": "label", "naver_news": "summary"}


@pytest.fixture(scope="module")
def files() -> dict[tuple[str, str], bytes]:
    return all_files()


@pytest.fixture
def hub(
    files: dict[tuple[str, str], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StandInHub]:
    """The hub for this process, with an empty cache."""
    from huggingface_hub import constants

    with running(files) as server:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
        monkeypatch.setattr(kodata_hub, "PATIENCE", 0.2)
        address(monkeypatch, server.endpoint)
        yield server


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of every pause, none of which is waited for."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


def address(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """What HF_ENDPOINT does when huggingface_hub is imported."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )


def go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def expected(hub: StandInHub, name: str = "klue_nli", split: str = "test") -> bytes:
    """The bytes that the hub has for a split."""
    return hub.files[str(SOURCES[name].CARD.hub_id), SOURCES[name]._FINDER.hub[split]]


def test_the_hub_is_asked_for_these_commits_and_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        kodata_hub, "download", lambda hub_id, file, revision: Path(f"{hub_id}@{revision}", file)
    )
    assert {name: str(source.files("test")[0]) for name, source in SOURCES.items()} == {
        "klue_nli": (
            "klue/klue@349481ec73fff722f88e0453ca05c77a447d967c/nli/validation-00000-of-00001.parquet"
        ),
        "korquad": (
            "KorQuAD/squad_kor_v1@01aad23853355e5f4f6317eeaaa8186811424834/"
            "squad_kor_v1/validation-00000-of-00001.parquet"
        ),
        "nsmc": "e9t/nsmc@refs/convert/parquet/default/test/0000.parquet",
        "naver_news": (
            "daekeun-ml/naver-news-summarization-ko@fa6ec90a7beb96d182372f09b04b96797ea6588a/test.csv"
        ),
    }


@pytest.mark.parametrize("name", SOURCES)
def test_what_comes_from_the_hub_is_what_the_official_files_give(
    hub: StandInHub, tmp_path: Path, name: str
) -> None:
    put_official(name, tmp_path / "official")
    local = convert([Entry(name, FORM[name], tmp_path / "official")], tmp_path / "local", seed=1)
    remote = convert([Entry(name, FORM[name])], tmp_path / "remote", seed=1)
    for side in ("train", "validation"):
        made = (tmp_path / "remote" / f"{side}.jsonl").read_bytes()
        assert made and made == (tmp_path / "local" / f"{side}.jsonl").read_bytes()
    card = SOURCES[name].CARD
    assert remote["entries"][0]["from"] == {
        "kind": "hub",
        "hub_id": card.hub_id,
        "revision": MOVING if name == "nsmc" else card.revision,
    }
    places = ("from", "path", "files")
    kept = [
        {key: made["entries"][0][key] for key in made["entries"][0] if key not in places}
        for made in (local, remote)
    ]
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("fault", "error", "told", "pauses"),
    [
        (Fault(401), HubDeniedError, r"the hub refuses \(HTTP 401\); set HF_TOKEN", []),
        (Fault(403), HubDeniedError, r"the hub refuses \(HTTP 403\); set HF_TOKEN", []),
        (
            Fault(403, headers={"X-Error-Code": "GatedRepo"}),
            HubDeniedError,
            "gated; request access at https://huggingface.co/datasets/klue/klue, then set HF_TOKEN",
            [],
        ),
        (
            Fault(404, headers={"X-Error-Code": "RepoNotFound"}),
            HubDeniedError,
            "not on the hub .*; check https://",
            [],
        ),
        (
            Fault(404, headers={"X-Error-Code": "EntryNotFound"}),
            HubDeniedError,
            "not on the hub",
            [],
        ),
        (
            Fault(404, headers={"X-Error-Code": "RevisionNotFound"}),
            HubDeniedError,
            "not on the hub",
            [],
        ),
        (Fault(429), HubError, r"cannot be reached \(it answered HTTP 429\); try again", [1, 2, 4]),
        (
            Fault(429, headers={"Retry-After": "9"}),
            HubError,
            "HTTP 429.*try in 9 seconds",
            [9, 9, 9],
        ),
        (
            Fault(429, headers={"Retry-After": "3600"}),
            HubError,
            "HTTP 429.*try in 3,600 seconds",
            [],
        ),
        (
            Fault(429, headers={"RateLimit": '"resolvers";r=0;t=55'}),
            HubError,
            "try in 55 seconds",
            [55, 55, 55],
        ),
        (Fault(500), HubError, "HTTP 500.*try again", [1, 2, 4]),
        (Fault(502), HubError, "HTTP 502.*try again", [1, 2, 4]),
        (
            Fault(503, headers={"Retry-After": "2"}),
            HubError,
            "HTTP 503.*try in 2 seconds",
            [2, 2, 4],
        ),
        (Fault("silent"), HubError, r"cannot be reached \(ReadTimeout\); try again", [1, 2, 4]),
        (
            Fault(200),
            HubError,
            r"cannot be reached \(incomplete answer\); try again",
            [1, 2, 4],
        ),  # some other web page
        (Fault(503, method="GET"), HubError, "HTTP 503.*try again", [1, 2, 4]),
        (Fault("silent", method="GET"), HubError, r"\(ReadTimeout\); try again", [1, 2, 4]),
        (Fault("cut", method="GET"), HubError, r"\(RemoteProtocolError\); try again", [1, 2, 4]),
        (
            Fault("damaged", method="GET"),
            HubError,
            "damaged in transfer .* and removed; try again",
            [1, 2, 4],
        ),
    ],
    ids=lambda value: (
        f"{value.method} {value.kind} {dict(value.headers)}" if isinstance(value, Fault) else ""
    ),
)
def test_what_the_hub_does_wrong_is_one_message_after_a_bounded_number_of_tries(
    hub: StandInHub,
    waits: list[float],
    fault: Fault,
    error: type[DataError],
    told: str,
    pauses: list[float],
) -> None:
    hub.faults = [fault]
    with pytest.raises(error, match=told) as caught:
        klue_nli.files("test")
    assert str(caught.value).startswith(f"klue/klue ({FILE}): ")
    assert waits == pauses
    hub.faults = []
    assert klue_nli.files("test")[0].read_bytes() == expected(hub)


def test_a_token_opens_a_gated_data_set_as_the_message_says(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.faults = [Fault("gated")]
    with pytest.raises(HubDeniedError, match=r"gated; .* set HF_TOKEN"):
        klue_nli.files("test")
    monkeypatch.setenv("HF_TOKEN", "hf_token")
    assert klue_nli.files("test")[0].read_bytes() == expected(hub)


@pytest.mark.parametrize("name", ["klue_nli", "naver_news"])  # kept as a large file, and in git
@pytest.mark.parametrize(
    ("fault", "pauses"),
    [
        (Fault(429, times=1, headers={"Retry-After": "7"}), [7]),
        (Fault(503, times=2), [1, 2]),
        (Fault("silent", times=1), [1]),
        (Fault("cut", times=1, method="GET"), [1]),
        (Fault("short", times=1, method="GET"), [1]),
        (Fault("damaged", times=3, method="GET"), [1, 2, 4]),
    ],
    ids=lambda value: str(value.kind) if isinstance(value, Fault) else "",
)
def test_a_passing_fault_is_waited_out(
    hub: StandInHub,
    waits: list[float],
    name: str,
    fault: Fault,
    pauses: list[float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub.faults = [Fault(fault.kind, fault.times, fault.method, fault.headers)]
    assert SOURCES[name].files("test")[0].read_bytes() == expected(hub, name)
    assert waits == pauses
    assert f"(next try in {pauses[0]} s)" in caplog.text


def test_a_cut_download_goes_on_where_it_was_cut_and_a_damaged_piece_is_found(
    hub: StandInHub, waits: list[float]
) -> None:
    hub.faults = [Fault("cut", times=1, method="GET"), Fault("damaged", times=1, method="GET")]
    assert klue_nli.files("test")[0].read_bytes() == expected(hub)
    assert (
        waits == [1, 2]
        # two halves of the right length, the second damaged: thrown away, and all of it asked for
        # again
    )


def test_what_an_earlier_try_left_behind_may_be_longer_than_the_file(
    hub: StandInHub, tmp_path: Path, waits: list[float]
) -> None:
    hub.faults = [Fault("cut", method="GET")]
    with pytest.raises(HubError):
        klue_nli.files("test")
    hub.faults = []
    (left,) = tmp_path.glob("cache/datasets--klue--klue/blobs/*.incomplete")
    left.write_bytes(expected(hub) + b"more")
    assert klue_nli.files("test")[0].read_bytes() == expected(hub)


@pytest.mark.parametrize(
    "change", [lambda content: content[:-9], lambda content: b"\0" + content[1:]]
)
def test_a_cached_file_that_is_not_whole_is_never_used(
    hub: StandInHub, waits: list[float], change
) -> None:
    (cached,) = klue_nli.files("test")
    cached.resolve().write_bytes(change(expected(hub)))
    assert klue_nli.files("test")[0].read_bytes() == expected(hub)
    assert waits == [1]


def test_a_cache_without_links_holds_plain_files_whose_digest_is_not_known(
    hub: StandInHub, tmp_path: Path
) -> None:
    cached = (
        tmp_path
        / "cache"
        / "datasets--klue--klue"
        / "snapshots"
        / str(klue_nli.CARD.revision)
        / FILE
    )
    cached.parent.mkdir(parents=True)
    cached.write_bytes(expected(hub))
    assert klue_nli.files("test") == [cached]
    assert hub.asked == []


def test_nothing_is_written_where_a_file_could_not_be_had(
    hub: StandInHub, waits: list[float], tmp_path: Path
) -> None:
    hub.faults = [Fault("cut", method="GET")]
    with pytest.raises(HubError):
        convert([Entry("naver_news", "summary")], tmp_path / "out", seed=1)
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.rglob("snapshots/*/*") if path.is_file()]


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.few(1)
def test_with_a_warm_cache_nobody_is_asked(
    hub: StandInHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    first = convert([Entry(name, FORM[name])], tmp_path / "first", seed=1)
    hub.asked.clear()
    hub.faults = [Fault(500), Fault(500, method="GET")]
    assert convert([Entry(name, FORM[name])], tmp_path / "second", seed=1) == first
    go_offline(monkeypatch)
    address(monkeypatch, "http://127.0.0.1:9")
    assert convert([Entry(name, FORM[name])], tmp_path / "third", seed=1) == first
    assert hub.asked == []


@pytest.mark.parametrize("name", SOURCES)
def test_offline_with_a_cold_cache_says_so_at_once(
    hub: StandInHub, waits: list[float], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    go_offline(monkeypatch)
    with pytest.raises(
        HubDeniedError,
        match="not in the hub's cache, and HF_HUB_OFFLINE is set; run once without it",
    ):
        SOURCES[name].files("test")
    assert (hub.asked, waits) == ([], [])


def test_without_a_network_the_message_says_try_again(
    hub: StandInHub, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    address(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(
        HubError, match=r"cannot be reached \(ConnectError\); try again, or give a local copy"
    ):
        klue_nli.files("test")
    assert waits == [1, 2, 4]


def test_a_moving_reference_is_looked_up_once_so_that_train_and_test_are_of_one_commit(
    hub: StandInHub,
) -> None:
    (train,) = SOURCES["nsmc"].files("train")
    hub.commit = "6" * 40  # the hub's reference moves on
    (test,) = SOURCES["nsmc"].files("test")
    assert [kodata_hub.commit(file) for file in (train, test)] == [MOVING, MOVING]
    assert (
        [path for method, path in hub.asked if method == "HEAD"][-1]
        .split("/resolve/")[1]
        .startswith(MOVING)
    )


def test_a_commit_given_by_the_user_is_the_one_that_is_read(
    hub: StandInHub, tmp_path: Path
) -> None:
    mine = "7" * 40
    manifest = convert([Entry("nsmc", "label", mine)], tmp_path, seed=1)
    assert manifest["entries"][0]["from"] == {"kind": "hub", "hub_id": "e9t/nsmc", "revision": mine}
    assert {path.split("/resolve/")[1][:40] for _, path in hub.asked if "/resolve/" in path} == {
        mine
    }


@pytest.mark.parametrize("commit", [None, Path("8" * 40)])
def test_the_tasks_score_what_is_on_the_hub(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch, commit: Path | None
) -> None:
    pytest.importorskip("lm_eval")
    from kotune.score.harness import load_task

    for name, source in SOURCES.items():
        loaded = load_task(source.CARD.task, TaskData(commit))
        docs = [dict(doc) for doc in loaded.task.dataset["test"]]
        assert docs == list(source.read("test", commit)) and len(docs) == 3, name
    asked = {path.split("/resolve/")[1] for _, path in hub.asked if "/resolve/" in path}
    wanted = {
        f"{commit or source.CARD.revision}/{source._FINDER.hub['test']}"
        for source in SOURCES.values()
    }
    assert asked == wanted


RECIPE = "model: quickstart-llama\ndata:\n  - source: {}\n"


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        (Fault(403, headers={"X-Error-Code": "GatedRepo"}), 1, "request access at"),
        (Fault(404, headers={"X-Error-Code": "EntryNotFound"}), 1, "not on the hub (HTTP 404)"),
        (Fault(429, headers={"Retry-After": "3600"}), 75, "try in 3,600 seconds"),
    ],
)
def test_a_run_ends_with_one_message_and_an_exit_code(
    cli: Cli, hub: StandInHub, tmp_path: Path, fault: Fault, code: int, told: str
) -> None:
    hub.faults = [fault]
    recipe = write_recipe(tmp_path, RECIPE.format("naver_news"))
    done = cli("run", recipe, "--device", "cpu", HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="0")
    assert done.returncode == code, done.stderr
    assert done.stderr.count("error: daekeun-ml/naver-news-summarization-ko (train.csv): ") == 1
    assert told in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "runs").glob("*"))


def test_a_run_reads_the_commit_of_its_recipe_and_then_works_offline(
    cli: Cli, hub: StandInHub, tmp_path: Path
) -> None:
    commit = "9" * 40
    recipe = write_recipe(tmp_path, RECIPE.format("nsmc") + f"    revision: '{commit}'\n")
    online = {"HF_ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": "0"}
    for folder, where in (("first", online), ("second", {"HF_ENDPOINT": "http://127.0.0.1:9"})):
        done = cli("run", recipe, "--until", "prepare", "--runs-dir", folder, **where)
        assert done.returncode == 0, done.stderr
        (manifest,) = (tmp_path / folder).glob("*/data/manifest.json")
        made = json.loads(manifest.read_text())
        origin = {"kind": "hub", "hub_id": "e9t/nsmc", "revision": commit}
        none: dict[str, object] = {
            "test_share": None,
            "left_out": {},
            "not_read": {},
            "rewritten": {},
        }
        assert (made["entries"][0]["from"], made["scored"]) == (
            origin,
            {"nsmc_ko": {**origin, **none}},
        )
    # Test, too.
    assert {path.split("/resolve/")[1][:40] for _, path in hub.asked if "/resolve/" in path} == {
        commit
    }


@pytest.mark.usefixtures("hub")
def test_a_cache_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    tmp_path.joinpath("cache").write_text("a file, where the hub's cache should be a folder")
    with pytest.raises(
        DataError,
        match=r"the hub's cache cannot be written: .*cache.*; set HF_HOME to a folder with room",
    ):
        list(klue_nli.read("test", None))


def test_a_full_cache_is_told_as_one_that_cannot_be_written() -> None:
    told = kodata_hub.explain_error(
        OSError(28, "No space left on device"), "klue/klue", "https://huggingface.co/klue/klue"
    )
    assert isinstance(
        told, DataError
    ) and "No space left on device; set HF_HOME to a folder with room" in str(told)


def test_downloads_are_counted_in_bytes(
    hub: StandInHub, files: dict[tuple[str, str], bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    hub_id, revision = str(klue_nli.CARD.hub_id), str(klue_nli.CARD.revision)
    told: list[Progress] = []
    train = klue_nli._FINDER.hub["train"]
    with guard.watched(told.append):
        kodata_hub.download(hub_id, FILE, revision)
        first = told[-1]
        kodata_hub.download(hub_id, train, revision)
        kodata_hub.download(hub_id, train, revision)  # from the cache
    sizes = [len(files[hub_id, file]) for file in (FILE, train)]
    assert first == Progress("download", sizes[0], sizes[0], BYTES)
    assert told[-1] == Progress("download", sum(sizes), sum(sizes), BYTES)
    assert all(each.done <= (each.total or 0) for each in told)
    assert "%|" not in capfd.readouterr().err  # huggingface_hub's own bars


def test_reading_and_converting_are_counted(tmp_path: Path) -> None:
    told: list[Progress] = []
    scored = Scored({"nli_sample_ko": DataLocation("nli_sample")})
    manifest = convert([Entry("nli_sample")], tmp_path, 1, scored, watch=told.append)
    leaks, rows = dict.fromkeys(each.what for each in told)
    assert leaks == "leak check: reading test data"
    assert rows == "nli_sample: conversion and leak check"
    read = sum(manifest["entries"][0]["read"].values())
    assert told[-1] == Progress(rows, read, 2_412 + 306)
    assert [each.done for each in told if each.what == rows][:2] == [0, 256]


def test_the_rows_of_a_folder_are_not_those_of_the_hub(tmp_path: Path) -> None:
    put_official("klue_nli", tmp_path / "data")
    told: list[Progress] = []
    convert([Entry("klue_nli", path=tmp_path / "data")], tmp_path / "out", 1, watch=told.append)
    assert {(each.what, each.total) for each in told} == {("klue_nli: conversion", None)}
