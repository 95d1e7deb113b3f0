"""A headless Chromium that tests click through, driven over its DevTools pipe: no package, no port, no network."""

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WHY_NOT = "no chromium, chromium-browser or google-chrome on this machine"

_SECONDS = 60


class Page:
    """One open page; its scripts' errors and whatever it asks the network for are on record."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from, self._waiting, self._number = to_browser, from_browser, b"", 0
        self._session: str | None = None
        self.errors: list[str] = []
        self.requests: list[str] = []

    def open(self, url: str) -> None:
        if self._session is None:
            target = self._ask("Target.createTarget", url="about:blank")["targetId"]
            self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                self._ask(f"{domain}.enable")
        self._ask("Page.navigate", url="about:blank")  # an address that differs in its hash alone is not loaded again
        self._ask("Page.navigate", url=url)
        self.wait_for("document.documentElement?.dataset.ready === 'yes'")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, script: str) -> None:
        end = time.monotonic() + _SECONDS
        while not self.run(script):
            assert time.monotonic() < end, f"never true: {script}"

    def click(self, selector: str) -> None:
        """A click of the mouse in the middle of an element, which is scrolled into sight first."""
        place = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'nearest'}); const r = e.getBoundingClientRect();"
            "return [r.x + Math.min(r.width, innerWidth) / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def choose(self, selector: str, value: str) -> None:
        """Chooses an option of a select, as a user's choice does it: a value and an event."""
        self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.value = {json.dumps(value)};"
            "e.dispatchEvent(new Event('change')); })()"
        )

    def write(self, selector: str, words: str) -> None:
        self.click(selector)
        self._ask("Input.insertText", text=words)

    def texts(self, selector: str) -> list[str]:
        return self.run(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent)")

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            assert select.select([self._from], [], [], _SECONDS)[0], "Chromium does not answer"
            got = os.read(self._from, 1 << 20)
            assert got, "Chromium has gone"
            self._waiting += got
        message, _, self._waiting = self._waiting.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"]["text"])
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif event.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """Starts Chromium and ends it; `profile` is an empty folder."""
    assert CHROMIUM is not None, WHY_NOT
    ours, theirs = os.pipe(), os.pipe()
    # The browser reads its commands from 3 and answers on 4, so its ends must lie elsewhere until they are put there.
    reads, writes = fcntl.fcntl(ours[0], fcntl.F_DUPFD, 10), fcntl.fcntl(theirs[1], fcntl.F_DUPFD, 10)
    flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
    process = subprocess.Popen(
        [CHROMIUM, *flags, "--window-size=1400,1000", f"--user-data-dir={profile}", "--remote-debugging-pipe"],
        preexec_fn=lambda: (os.dup2(reads, 3), os.dup2(writes, 4)),
        pass_fds=(3, 4),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for end in (ours[0], theirs[1], reads, writes):
        os.close(end)
    try:
        yield Page(ours[1], theirs[0])
    finally:
        process.terminate()
        process.wait(_SECONDS)
        os.close(ours[1])
        os.close(theirs[0])
