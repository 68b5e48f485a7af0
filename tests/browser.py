"""A headless Chromium that tests and benchmarks look at pages with, over its own DevTools protocol
on two pipes."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from select import select
from typing import Any, Self

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-headless-shell")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here (Debian: chromium)")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-pipe",
)
OURS = ("file:", "data:", "about:")  # what a page may ask for without leaving the machine
ABOVE = 20  # file descriptors that are not taken by those that the protocol wants, 3 and 4

Answer = dict[str, Any]


class Browser:
    """`complaints`: what pages wrote to the console or did wrong."""

    def __init__(self, **environment: str) -> None:
        down, up = os.pipe(), os.pipe()
        theirs = (
            fcntl.fcntl(down[0], fcntl.F_DUPFD, ABOVE),
            fcntl.fcntl(up[1], fcntl.F_DUPFD, ABOVE),
        )
        words = f'exec "$0" "$@" 3<&{theirs[0]} 4>&{theirs[1]}'
        self.process = subprocess.Popen(
            ["bash", "-c", words, str(BROWSER), *QUIET, "about:blank"],
            pass_fds=theirs,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (down[0], up[1], *theirs):
            os.close(end)
        self.down, self.up = (
            os.fdopen(down[1], "wb", buffering=0),
            os.fdopen(up[0], "rb", buffering=0),
        )
        self.rest, self.sent, self.session = b"", 0, ""
        self.complaints: list[str] = []
        self._requests: dict[str, str] = {}

    def __enter__(self) -> Self:
        page = next(
            one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page"
        )
        self.session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM", "CSS"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
        self.down.close()
        self.up.close()

    @property
    def asked(self) -> list[str]:
        """The addresses that pages asked for outside this machine; what their own policy stopped
        never left."""
        return [url for url in self._requests.values() if not url.startswith(OURS)]

    def open(
        self,
        page: Path,
        width: int = 1200,
        height: int = 900,
        media: str = "",
        scheme: str = "light",
    ) -> None:
        """Load a page in a window of this size, on `print` as paper. `scheme`: the reader's
        preference, `light` or `dark`."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        preferred = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=preferred)
        told = self.call("Page.navigate", url=page.absolute().as_uri())
        assert "errorText" not in told, told
        self.wait_for("Page.loadEventFired")
        self.value("document.fonts.ready.then(() => 0)")

    def value(self, expression: str) -> Any:
        """What JavaScript makes of an expression in the page; the page's own policy does not bind
        us."""
        told = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        return told["result"].get("value")

    def fonts(self, selector: str) -> list[Answer]:
        """The fonts in which the text of the first such element was drawn; `isCustomFont`: the
        page's own."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        return list(self.call("CSS.getPlatformFontsForNode", nodeId=node)["fonts"])

    def pdf(self) -> bytes:
        """The page as printed."""
        return base64.b64decode(self.call("Page.printToPDF")["data"])

    def picture(self, path: Path, whole: bool = True) -> None:
        """The page as PNG: the whole page, or what the window shows of it."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def call(self, method: str, **parameters: Any) -> Answer:
        """Send a command and wait for its answer."""
        self.sent += 1
        session = {"sessionId": self.session} if self.session else {}
        text = json.dumps({"id": self.sent, "method": method, "params": parameters, **session})
        self.down.write(text.encode() + b"\0")
        while (told := self._next()).get("id") != self.sent:
            pass
        assert "error" not in told, told
        return dict(told["result"])

    def wait_for(self, event: str) -> None:
        while self._next().get("method") != event:
            pass

    def _next(self, seconds: float = 60) -> Answer:
        """The next message; events that tell on the page are noted."""
        until = time.monotonic() + seconds
        while b"\0" not in self.rest:
            ready, _, _ = select([self.up], [], [], max(until - time.monotonic(), 0))
            some = self.up.read(1 << 16) if ready else b""
            assert some, "Chromium does not answer"
            self.rest += some
        text, _, self.rest = self.rest.partition(b"\0")
        told: Answer = json.loads(text)
        self._note(told.get("method", ""), told.get("params", {}))
        return told

    def _note(self, event: str, told: Answer) -> None:
        if event in (
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
            "Log.entryAdded",
            "Page.javascriptDialogOpening",
        ):
            self.complaints.append(json.dumps(told, ensure_ascii=False))
        if event == "Network.requestWillBeSent":
            self._requests[told["requestId"]] = told["request"]["url"]
        if event == "Network.loadingFailed" and told.get("blockedReason") == "csp":
            self._requests.pop(told["requestId"], None)
