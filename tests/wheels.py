"""Wheels with nothing in them, and package indexes that give them on loopback."""

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def put(index: Path, name: str, version: str, *needs: str) -> str:
    """A wheel in the index (PEP 503) that lies in a folder; `needs`: its requirements. Its
    sha256."""
    stem = f"{name.replace('-', '_')}-{version}"
    file = index / name / f"{stem}-py3-none-any.whl"
    file.parent.mkdir(parents=True, exist_ok=True)
    told = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {one}" for one in needs),
    ]
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(f"{stem}.dist-info/METADATA", "\n".join([*told, ""]))
        wheel.writestr(
            f"{stem}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        parts = ("METADATA", "WHEEL", "RECORD")
        wheel.writestr(
            f"{stem}.dist-info/RECORD", "".join(f"{stem}.dist-info/{part},,\n" for part in parts)
        )
    links = [
        f'<a href="{one.name.replace("+", "%2B")}">{one.name}</a>'
        for one in sorted(file.parent.glob("*.whl"))
    ]
    (file.parent / "index.html").write_text("\n".join(links))
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which the indexes in a folder are served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...
