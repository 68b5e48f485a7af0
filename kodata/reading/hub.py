"""One file of a data set on the Hugging Face hub, at one commit, whole.

A file in the hub's cache is used without asking the network. A moving reference (`main`) is looked
up once: from then on the commit that the cache has for it counts, so that train and test files are
of one commit, today and next week. Bytes that are not those of the hub's own digest are thrown
away, whether they came over the line or lay in the cache.

We fetch files by name instead of calling datasets.load_dataset because the latter, when the hub
does not answer, takes any cached revision of the data set. We wait between tries ourselves because
huggingface_hub 1.17 knows no Retry-After, waits up to a minute six times for an answer, and after a
refused connection goes on with a closed client."""

import hashlib
import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from kodata.errors import DataError, HubDeniedError, HubError, brief
from kodata.reading import addresses, guard

Answer = TypeVar("Answer")

PATIENCE = 5  # seconds for an answer to the first question
PAUSES = (1, 2, 4)  # seconds before the second, third and fourth try, or more where the hub says so
LONGEST_PAUSE = 60  # seconds; where the hub asks for more, the user is told instead
TEMPORARY = (408, 425, 429)  # client errors of HTTP that say "later", not "no"

_SHA256, _GIT_SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


def is_commit(place: object) -> bool:
    """Whether this is the name of a commit, which may stand where the path of a folder may: 40 hex
    digits."""
    return bool(_GIT_SHA1.fullmatch(str(place)))


def commit(file: Path) -> str:
    """The commit of a file that download() returned: its folder in the cache has that name."""
    return next(part for part in reversed(file.parts) if is_commit(part))


def download(hub_id: str, file: str, revision: str) -> Path:
    """The local path of the file. Raises HubError (try again), or DataError or HubDeniedError (that
    does not help)."""
    return patiently(lambda: _attempt(hub_id, file, revision))


def patiently(ask: Callable[[], Answer]) -> Answer:
    """ask(), again after a pause where it raises a HubError; the last one is raised."""
    for pause in PAUSES:
        try:
            return ask()
        except HubError as error:
            if error.wait > LONGEST_PAUSE:
                raise
            wait = max(pause, error.wait)
            logging.getLogger(__name__).warning("%s (asking again in %.0f s)", error, wait)
            time.sleep(wait)
    return ask()


def _attempt(hub_id: str, file: str, revision: str) -> Path:
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.file_download import repo_folder_name

    what = f"{hub_id} ({file})"
    ref = Path(
        constants.HF_HUB_CACHE,
        repo_folder_name(repo_id=hub_id, repo_type="dataset"),
        "refs",
        revision,
    )
    try:
        known = ref.read_text() if ref.is_file() else revision
        found = try_to_load_from_cache(hub_id, file, revision=known, repo_type="dataset")
        path = Path(found if isinstance(found, str) else _fetched(hub_id, file, known))
        if _is_whole(path):
            return path
        path.resolve().unlink()
    except Exception as error:  # explained() tells a hub's failure from an answer without sense
        raise explained(error, what, f"https://huggingface.co/datasets/{hub_id}") from None
    raise HubError(
        f"{what}: damaged on its way or in the cache (not the hub's digest), and removed; try again"
    )


def _fetched(hub_id: str, file: str, revision: str, force: bool = False) -> str:
    """Fetched into the cache; `force`: without what an earlier try has left there."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    guard.install()
    guard.begin()
    # Asked first, because hf_hub_download alone would ask again and again, a minute each time.
    get_hf_file_metadata(
        hf_hub_url(hub_id, file, repo_type="dataset", revision=revision), timeout=PATIENCE
    )
    try:
        kept = {
            "repo_type": "dataset",
            "revision": revision,
            "etag_timeout": PATIENCE,
            "force_download": force,
        }
        return str(hf_hub_download(hub_id, file, **kept))
    except HfHubHTTPError as error:
        if force or error.response.status_code != 416:  # what is left there is longer than the file
            raise
        return _fetched(hub_id, file, revision, force=True)


def _is_whole(path: Path) -> bool:
    """Whether the file has the digest that names it in the cache: sha256, or for small files git's
    own sha1.

    True where the cache holds a plain copy, whose digest is not known (a file system without
    links)."""
    blob = path.resolve()
    with blob.open("rb") as file:
        if _SHA256.fullmatch(blob.name):
            return hashlib.file_digest(file, "sha256").hexdigest() == blob.name
        if _GIT_SHA1.fullmatch(blob.name):
            whole = hashlib.sha1(f"blob {blob.stat().st_size}\0".encode(), usedforsecurity=False)
            return hashlib.file_digest(file, lambda: whole).hexdigest() == blob.name
    return True


def explained(error: Exception, what: str, page: str) -> DataError:
    """The error in a user's words. `page` is where to ask. Whatever else a library raises over an
    answer, or this module over its headers, means that the answer makes no sense: a field that is
    missing or of another kind, a name that is none."""
    try:
        told = _told(error, what, page)
    except Exception as fault:  # the error itself holds something unexpected
        told, error = None, fault
    why = f"{type(error).__name__}: {brief(addresses.masked(str(error)))}"
    mend = "look at HF_ENDPOINT" if os.environ.get("HF_ENDPOINT") else "try again later"
    nonsense = f"the hub's answer makes no sense ({why}); {mend}, or give a local copy"
    return told or HubDeniedError(f"{what}: {nonsense} (path: for data, a folder for a model)")


def _told(error: Exception, what: str, page: str) -> DataError | None:
    """What is known of such an error; None where it is none that a hub's answer is meant to
    raise."""
    from httpx import InvalidURL, RequestError

    chain = _chain(error)
    if refused := next(
        (cause for cause in chain if isinstance(cause, addresses.RefusedError)), None
    ):
        return HubDeniedError(
            f"{what}: {refused}, or give a local copy (path: for data, a folder for a model)"
        )
    # What it says holds the address, and a password in it.
    if any(isinstance(cause, InvalidURL) for cause in chain):
        return HubDeniedError(
            f"{what}: HF_ENDPOINT, or where it leads to, is no address; mend or unset it"
        )
    status, wait = _answered(chain)
    if denied := _denied(chain, status, page):
        return HubDeniedError(
            f"{what}: {denied}, or give a local copy (path: for data, a folder for a model)"
        )
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(
            f"{what}: the hub's cache cannot be written: {addresses.masked(str(error))}; set"
            " HF_HOME to a folder with room"
        )
    failed = next(
        (type(cause).__name__ for cause in chain if isinstance(cause, RequestError)), None
    )
    # RuntimeError: huggingface_hub 1.17 raises it (client closed) when it retries after a failed
    # connection.
    if status or failed or isinstance(error, (OSError, RuntimeError)):
        answer = f"it answered HTTP {status}" if status else failed or "no whole answer"
        later = f"try in {wait:,.0f} seconds" if wait else "try again"
        return HubError(
            f"{what}: the Hugging Face hub cannot be reached ({answer}); {later}, or give a local"
            " copy",
            wait,
        )
    return None


def _denied(chain: list[BaseException], status: int | None, page: str) -> str | None:
    """Why trying again does not help, and what does; None where it may."""
    from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled

    login = "set HF_TOKEN or log in with `hf auth login`"
    if isinstance(chain[0], GatedRepoError):
        return f"gated; ask for access at {page}, then {login}"
    if any(isinstance(cause, OfflineModeIsEnabled) for cause in chain):
        return "not in the hub's cache, and HF_HUB_OFFLINE is set; run once without it"
    if status == 404:
        return f"the hub has nothing there (HTTP 404); check {page}"
    if status and 400 <= status < 500 and status not in TEMPORARY:
        return f"the hub refuses (HTTP {status}); {login}"
    return None


def _chain(error: BaseException | None) -> list[BaseException]:
    """The error, and what caused it."""
    chain = []
    while error is not None:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _answered(chain: list[BaseException]) -> tuple[int | None, float]:
    """The HTTP status that an error carries, and the seconds that the hub wants us to wait: 0 where
    it does not say."""
    from huggingface_hub.utils import parse_ratelimit_headers

    response = next(
        (found for error in chain if (found := getattr(error, "response", None)) is not None), None
    )
    if response is None:
        return None, 0
    later, limit = (
        response.headers.get("Retry-After", ""),
        parse_ratelimit_headers(response.headers),
    )
    wait = (
        float(later)
        if later.isdecimal()
        else limit.reset_in_seconds
        if limit and response.status_code == 429
        else 0
    )
    return int(response.status_code), wait
