"""A hub, or a mirror in its place, that means harm: nothing is written outside the cache, nothing
goes on without end, no token goes elsewhere, and no password of an address is said.

The tests that begin with `huggingface_hub` show the fault in the installed version: where they
fail, its guard can go."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kodata import klue_nli, naver_news
from kodata.errors import DataError, HubDeniedError, HubError, visible
from kodata.reading import addresses, guard
from kodata.reading import hub as kodata_hub
from kotune.doctor import hub as doctor_hub
from kotune.models import hub as model_hub
from tests.conftest import ROOT
from tests.hub import MOVING, Fault, StandInHub, all_files, running

constants = pytest.importorskip("huggingface_hub.constants")
MODEL = "some/model"
CONFIG = b'{"model_type": "llama"}'
# Of no tensors. The stand-in hub takes what begins as PAR1 for a large file: a header of 0x31524150
# bytes would be too large.
WEIGHTS = b"\2" + b"\0" * 7 + b"{}" + b"weights" * 1000


@pytest.fixture(scope="module")
def files() -> dict[tuple[str, str], bytes]:
    weights = {(MODEL, "config.json"): CONFIG, (MODEL, "model.safetensors"): WEIGHTS}
    return {**all_files(), **weights}


@pytest.fixture
def hub(
    files: dict[tuple[str, str], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StandInHub]:
    with running(files) as server:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.5)
        monkeypatch.setattr(kodata_hub, "PAUSES", (0,))
        monkeypatch.setattr(guard, "BEGINS", 1.0)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        address(monkeypatch, server.endpoint)
        yield server


def address(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """What HF_ENDPOINT does when huggingface_hub is imported."""
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(guard._State, "login", None)


def written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


Ask = Callable[[], object]
ASK: dict[str, Ask] = {
    "a small file": lambda: naver_news.files("test"),
    "a large file": lambda: klue_nli.files("test"),
    "a model": lambda: model_hub.fetch(MODEL),
}


@pytest.fixture(params=list(ASK))
def ask(request: pytest.FixtureRequest) -> Ask:
    return ASK[request.param]


def test_what_is_meant_well_passes(hub: StandInHub, ask: Ask) -> None:
    assert ask() in (
        MOVING,
        [Path(path) for path in written(Path(constants.HF_HUB_CACHE)) if "snapshots" in path.parts],
    )
    assert set(hub.logins) == {"Bearer hf_secret"} or "Bearer hf_secret" in hub.logins


HOSTILE = [
    "/{}/outside",
    "../../../outside",
    "a" * 39,
    "a" * 41,
    "A" * 40,
    "g" * 64,
    "",
    "a" * 40 + "/x",
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("header", ["ETag", "X-Repo-Commit"])
def test_an_etag_or_commit_that_is_none_is_refused_before_anything_is_written(
    hub: StandInHub, tmp_path: Path, ask: Ask, header: str, value: str
) -> None:
    value = value.format(tmp_path)
    names = ("ETag", "X-Linked-ETag") if header == "ETag" else (header,)
    hub.faults = [
        Fault("headers", headers=dict.fromkeys(names, f'"{value}"' if header == "ETag" else value))
    ]
    with pytest.raises(
        HubDeniedError, match=r"cannot be trusted: its (ETag|commit) is '.*check HF_ENDPOINT"
    ):
        ask()
    assert [path for path in written(tmp_path) if "refs" not in path.parts] == []


@pytest.mark.parametrize("value", HOSTILE)
def test_a_models_commit_that_is_none_is_refused_too(
    hub: StandInHub, tmp_path: Path, value: str
) -> None:
    hub.faults = [Fault("sha", method="GET", headers={"sha": value.format(tmp_path)})]
    with pytest.raises(HubDeniedError, match="its commit is"):
        model_hub.fetch(MODEL)
    assert written(tmp_path) == []


PLAIN = "import huggingface_hub; huggingface_hub.hf_hub_download('some/model', 'config.json')"


def alone(
    hub: StandInHub, home: Path, script: str = PLAIN, **more: str
) -> "subprocess.CompletedProcess[str]":
    """A script in a process of its own, without a guard."""
    env = {
        **os.environ,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": str(ROOT),
        "HF_TOKEN": "hf_secret",
    }
    env |= {"HF_ENDPOINT": hub.endpoint, **more}
    return subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False
    )


def test_huggingface_hub_writes_where_an_etag_says(hub: StandInHub, tmp_path: Path) -> None:
    hub.faults = [Fault("headers", headers={"ETag": f'"{tmp_path}/outside"'})]
    alone(hub, tmp_path / "home")
    assert (tmp_path / "outside").read_bytes() == CONFIG


def test_huggingface_hub_sends_its_token_over_http(hub: StandInHub, tmp_path: Path) -> None:
    alone(hub, tmp_path / "home", HF_ENDPOINT=hub.endpoint.replace("127.0.0.1", "localhost"))
    assert "Bearer hf_secret" in hub.logins


@pytest.mark.parametrize(
    "to",
    ["http://hub.example/x", "http://169.254.169.254/x", "ftp://127.0.0.1/x", "http://[", "//x"],
)
def test_nobody_is_asked_over_http_and_no_redirect_leads_there(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    hub.faults = [Fault("headers", headers={"Location": to})]
    with pytest.raises(DataError):
        klue_nli.files("test")
    assert not any(path.startswith("/store") for _, path in hub.asked)
    if to.startswith("http://h"):
        address(monkeypatch, "http://hub.example")
        for asked in ASK.values():
            with pytest.raises(
                HubDeniedError,
                match=r"hub.example would be contacted over http.*; use https \(HF_ENDPOINT\)",
            ):
                asked()


def test_a_hub_elsewhere_cannot_lead_to_this_machine() -> None:
    with pytest.raises(addresses.RefusedError):
        addresses.refuse_address("http://127.0.0.1:8080/x", "https://hub.example")
    addresses.refuse_address("http://localhost:8080/x", "http://127.0.0.1:80")


def test_another_host_gets_no_token(hub: StandInHub, files: dict[tuple[str, str], bytes]) -> None:
    with running(files) as elsewhere:
        (path,) = klue_nli.files("test")
        digest = path.resolve().name
        path.resolve().unlink()
        path.unlink()
        hub.logins.clear()
        hub.faults = [
            Fault("headers", headers={"Location": f"{elsewhere.endpoint}/store/{digest}"})
        ]
        klue_nli.files("test")
        assert set(hub.logins) == {"Bearer hf_secret"}
        assert elsewhere.logins == [None]


@pytest.mark.parametrize("size", ["20000000001", "9" * 5000, "-1", "x"])
def test_a_file_that_is_announced_too_large_is_not_begun(hub: StandInHub, size: str) -> None:
    hub.faults = [Fault("headers", headers={"X-Linked-Size": size})]
    with pytest.raises(
        HubDeniedError, match=r"announces .* bytes, but a file may have at most 20,000,000,000"
    ):
        klue_nli.files("test")
    assert len(hub.asked) == 1


def test_an_endless_answer_ends(hub: StandInHub, monkeypatch: pytest.MonkeyPatch, ask: Ask) -> None:
    monkeypatch.setattr(guard, "UNANNOUNCED", 5_000_000)
    hub.faults = [Fault("endless", method="GET")]
    with pytest.raises(HubDeniedError, match="the hub's answer has over 5,000,000 bytes"):
        ask()
    assert hub.sent < 50_000_000


@pytest.mark.parametrize(
    ("kind", "method"), [("drip", "GET"), ("slow", "GET"), ("slow", "HEAD"), ("silent", "GET")]
)
@pytest.mark.few(3)
def test_an_answer_byte_by_byte_ends(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch, ask: Ask, kind: str, method: str
) -> None:
    monkeypatch.setattr(guard, "GRACE", 0.5)
    hub.faults = [Fault(kind, method=method)]
    with pytest.raises(
        HubError, match=r"\((ReadError|ReadTimeout|RemoteProtocolError)\); try again"
    ):
        ask()


def test_a_compressed_answer_is_refused(hub: StandInHub) -> None:
    hub.faults = [Fault("headers", method="GET", headers={"Content-Encoding": "gzip"})]
    with pytest.raises(HubDeniedError, match="compressed although"):
        naver_news.files("test")


def test_a_name_that_is_looked_up_forever_is_not_waited_for(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    wait = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: wait.wait(30))
    with pytest.raises(HubError, match="RemoteProtocolError"):
        ask()
    wait.set()


SHA = "5" * 40
ODD: dict[str, object] = {
    "a date that is none": {"id": MODEL, "sha": SHA, "lastModified": "\x1b[31m"},
    "a number of files": {"id": MODEL, "sha": SHA, "siblings": 5},
    "a file without a name": {"id": MODEL, "sha": SHA, "siblings": [{"x": 1}]},
    "a file that is a number": {"id": MODEL, "sha": SHA, "siblings": [5]},
    "a name that is a number": {"id": MODEL, "sha": SHA, "siblings": [{"rfilename": 5}]},
    "a name that leads out": {
        "id": MODEL,
        "sha": SHA,
        "siblings": [{"rfilename": "../../../../outside.json"}],
    },
    "a name with a NUL": {"id": MODEL, "sha": SHA, "siblings": [{"rfilename": "a\0.json"}]},
    "a name that is too long": {
        "id": MODEL,
        "sha": SHA,
        "siblings": [{"rfilename": "a" * 5000 + ".json"}],
    },
    "a list": [1],
    "a word": "x",
    "nothing": None,
    "no id": {"sha": SHA, "siblings": []},
    "no commit": {"id": MODEL, "siblings": [{"rfilename": "config.json"}]},
}


@pytest.mark.parametrize("name", ODD)
def test_an_answer_about_a_model_that_makes_no_sense_is_one_message(
    hub: StandInHub, tmp_path: Path, name: str
) -> None:
    hub.faults = [Fault("says", method="GET", says=lambda _: ODD[name])]
    with pytest.raises(DataError, match=r"^model some/model: ") as caught:
        model_hub.fetch(MODEL)
    assert "\x1b" not in visible(str(caught.value)) and len(str(caught.value)) < 500
    assert [path for path in written(tmp_path) if not {"refs", ".locks"} & {*path.parts}] == []


@pytest.mark.parametrize(
    "header", ["Retry-After", "RateLimit", "Content-Length", "ETag", "Location"]
)
@pytest.mark.parametrize(
    "value", ["9" * 5000, "\u0669", '"r";r=0;t=' + "9" * 5000, "-1", "\x1b[31m", "http://[", " "]
)
def test_a_header_that_makes_no_sense_is_one_message(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch, ask: Ask, header: str, value: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    value = value.encode().decode("latin-1")
    limited = header in ("Retry-After", "RateLimit")
    kind, headers = (429, {header: value}) if limited else ("headers", {header: value})
    hub.faults = [Fault(kind, method=method, headers=headers) for method in ("HEAD", "GET")]
    with suppress(DataError):
        ask()


def test_doctor_tells_of_an_answer_that_makes_no_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the library raises over it."""

    class Opener:
        def open(self, *_: object, **__: object) -> None:
            raise TypeError("\x1b[31m")

    monkeypatch.setattr("kotune.doctor.hub.build_opener", lambda _: Opener())
    assert visible(str(doctor_hub.request("https://hub.example", MODEL, None))) == "\\u001b[31m"


def test_a_traceback_of_our_own_reaches_no_terminal_with_what_acts_on_it(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from kotune import cli\n"
        "def broken(*_, **__): raise ValueError('\\x1b]0;x\\x07"
        " https://me:S3cretWord@hub.example')\n"
        "cli.check.callback = broken\n"
        "sys.argv = ['kotune', 'check', 'a.yml']\n"
        "cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1 and done.stderr.startswith("Traceback (most recent call last):\n")
    assert done.stderr.endswith("ValueError: \\u001b]0;x\\u0007 https://***@hub.example\n"), (
        done.stderr
    )


def test_a_list_of_files_without_end_ends(hub: StandInHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository of many files is listed in pages, each of which names the next."""
    monkeypatch.setattr(guard, "REQUESTS", 50)
    about = {"id": MODEL, "sha": SHA, "siblings": []}
    hub.faults = [
        Fault(
            "says",
            method="GET",
            headers={"Link": f'<{hub.endpoint}/api/models/{MODEL}/tree/main?cursor=x>; rel="next"'},
            says=lambda path: (
                [{"type": "file", "path": "a", "size": 1, "oid": "b"}]
                if "/tree/" in path
                else about
            ),
        )
    ]
    with pytest.raises(
        HubDeniedError, match="the hub's answers lead to over 50 requests; check HF_ENDPOINT"
    ):
        model_hub.fetch(MODEL)
    assert len(hub.asked) < 60
    hub.faults = []
    assert model_hub.fetch(MODEL) == MOVING  # the next try begins anew


@pytest.mark.parametrize("pages", [1, 3])
def test_what_the_hub_says_of_a_model_does_not_fill_the_memory(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    """In one answer, however much of it is announced, or in all of them."""
    monkeypatch.setattr(guard, "ANSWERS", 300_000)
    files = [
        {"type": "file", "path": f"{at:090}", "size": 1, "oid": "b" * 40}
        for at in range(2_500 // pages)
    ]
    about = {"id": MODEL, "sha": SHA, "siblings": []}
    link = f'<{hub.endpoint}/api/models/{MODEL}/tree/main?cursor=x>; rel="next"'
    hub.faults = [
        Fault(
            "says",
            method="GET",
            headers={"Link": link},
            says=lambda path: files if "/tree/" in path else about,
        )
    ]
    with pytest.raises(HubDeniedError, match="answers about a repository have over 300,000 bytes"):
        model_hub.fetch(MODEL)
    assert len(hub.asked) <= 1 + 2 * pages


def test_a_redirect_hides_no_commit(hub: StandInHub, tmp_path: Path) -> None:
    """The answer to what was asked of a model, wherever it comes from."""
    hub.files["a/b", "x"] = json.dumps(
        {"id": MODEL, "sha": "../../../outside", "siblings": []}
    ).encode()
    hub.faults = [Fault(307, times=1, method="GET", headers={"Location": f"/a/b/resolve/{SHA}/x"})]
    try:
        with pytest.raises(HubDeniedError, match=r"its commit is .\.\./\.\./\.\./outside."):
            model_hub.fetch(MODEL)
    finally:
        del hub.files["a/b", "x"]
    assert written(tmp_path) == []


@pytest.mark.parametrize("mirror", ["", "/mirror"])
@pytest.mark.parametrize(
    ("path", "is_about"),
    [
        ("/api/models/a/b", True),
        ("/api/datasets/a/b/revision/main", True),
        ("/a/b/resolve/main/api/models/c.json", False),
        ("/datasets/a/b/resolve/main/x/api/datasets/c.jsonl", False),
    ],
)
def test_a_file_below_folders_named_as_the_hubs_own_is_no_answer_about_a_model(
    monkeypatch: pytest.MonkeyPatch, mirror: str, path: str, is_about: bool
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", f"https://hub.example{mirror}")
    assert guard._is_about_repository(mirror + path) == is_about


def test_a_warning_of_the_hubs_reaches_no_terminal_with_what_acts_on_it(
    hub: StandInHub, tmp_path: Path
) -> None:
    done = alone(hub, tmp_path, FETCH.replace("'https://me", "'\\x1b[31m\\x07 https://me"))
    assert (
        "asked \\u001b[31m\\u0007 https://***@hub.example/x" in done.stderr
        and "\x1b" not in done.stderr
    )


FETCH = (
    "import logging, kodata.reading.hub as hub\n"
    "hub.PAUSES = (0,)\n"
    "from kotune.models.hub import fetch\n"
    "try: fetch('some/model')\n"
    "except Exception as error: print(type(error).__name__, error)\n"
    "logging.getLogger('huggingface_hub.x').warning('asked %s',"
    " 'https://me:S3cretWord@hub.example/x')"
)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HF_ENDPOINT", "https://me:12/S3cretWord@hub.example"),
        ("HTTPS_PROXY", "http://me:S3cretWord@127.0.0.1:S3cretWord"),
        ("HF_ENDPOINT", "https://me:S3cretWord@127.0.0.1:9"),
        ("HF_ENDPOINT", "http://me:S3cretWord@hub.example"),
        ("HF_ENDPOINT", "https://me:S3cretWord@hub.example:S3cretWord"),
        ("HF_ENDPOINT", "me:S3cretWord@hub.example"),
        ("HTTPS_PROXY", "http://me:S3cretWord@127.0.0.1:9"),
        ("HTTPS_PROXY", "http://me:12/S3cretWord@127.0.0.1:9"),
        ("HTTPS_PROXY", "http://me:a@S3cretWord@127.0.0.1:9"),
        ("ALL_PROXY", "what://me:S3cretWord@127.0.0.1:9"),
    ],
)
@pytest.mark.few(2)
def test_a_password_in_an_address_is_never_said(
    hub: StandInHub, tmp_path: Path, variable: str, value: str
) -> None:
    more = {"HF_ENDPOINT": "https://hub.example", variable: value}
    done = alone(hub, tmp_path, FETCH, **more)
    assert "S3cretWord" not in done.stdout + done.stderr
    assert done.stdout.startswith(
        ("HubError model some/model: ", "HubDeniedError model some/model: ")
    ), done.stdout
    assert "Traceback" not in done.stderr and "asked https://***@hub.example/x" in done.stderr
    doctor = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "doctor"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "0", "HF_TOKEN": "", **more},
    )
    assert "S3cretWord" not in doctor.stdout + doctor.stderr and "Traceback" not in doctor.stderr


def test_a_login_in_the_hubs_address_is_sent_to_it_alone(hub: StandInHub, tmp_path: Path) -> None:
    done = alone(
        hub, tmp_path, FETCH, HF_ENDPOINT=hub.endpoint.replace("//", "//me:S3cret%40Word@")
    )
    assert "Error" not in done.stdout, done.stdout
    assert set(hub.logins) == {"Basic bWU6UzNjcmV0QFdvcmQ="}


def test_a_child_of_kotune_asks_through_the_guard(hub: StandInHub, tmp_path: Path) -> None:
    """A mirror may offer a file that it did not have when the model was fetched."""
    hub.faults = [Fault("headers", headers={"ETag": f'"{tmp_path}/outside"'})]
    script = (
        "import sys, types, io, huggingface_hub\n"
        "from kotune.worker import jobs\n"
        "sys.stdin = io.StringIO('{}')\n"
        "job = types.ModuleType('kotune.made.job')\n"
        "job.run = lambda _: huggingface_hub.hf_hub_download('some/model', 'config.json')\n"
        "sys.modules['kotune.made'], sys.modules['kotune.made.job'] ="
        " types.ModuleType('kotune.made'), job\n"
        "jobs.main('made')"
    )
    assert (
        "kotune-error: \"the hub's answer cannot be trusted: its ETag is"
        in alone(hub, tmp_path / "home", script).stdout
    )
    assert not (tmp_path / "outside").exists()
