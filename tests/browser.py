"""A headless Chromium for tests, driven over its debugging pipe: nothing but the program is needed."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--remote-debugging-pipe"),
)
TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.02
READ_BYTES = 2**16


def program() -> str | None:
    """The browser of this machine, or None."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Browser:
    """One page. Use it as a context manager; the browser is gone afterwards."""

    def __init__(self, profile: Path) -> None:
        """`profile` is a folder that does not exist yet."""
        path = program()
        assert path is not None
        commands_read, self._commands = os.pipe()
        self._answers, answers_write = os.pipe()

        def as_expected() -> None:  # the browser reads from 3 and writes to 4
            ends = os.dup(commands_read), os.dup(answers_write)
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._process = subprocess.Popen(
            [path, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=as_expected,  # noqa: PLW1509 -- no other thread
        )
        os.close(commands_read)
        os.close(answers_write)
        self._received = b""
        self._number = 0
        self._session = ""

    def __enter__(self) -> Self:
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        os.close(self._commands)  # which ends it in good order
        try:
            self._process.wait(TIMEOUT_S)
        finally:
            self._process.kill()
            os.close(self._answers)

    def resize(self, width: int, height: int) -> None:
        """The page's size in CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression, as JSON has it."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_until(self, script: str) -> None:
        """Return when the expression is true; it may throw until then."""
        deadline = time.monotonic() + TIMEOUT_S
        while not self.evaluate(f"(() => {{ try {{ return !!({script}) }} catch {{}} }})()"):
            shown = self.evaluate("document.body?.innerText")
            assert time.monotonic() < deadline, f"never: {script}\n{shown}"
            time.sleep(POLL_INTERVAL_S)

    def screenshot(self, path: Path) -> None:
        """A PNG of what is in view."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next_message()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _next_message(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            readable, _, _ = select.select([self._answers], [], [], TIMEOUT_S)
            assert readable, "the browser does not answer"
            data = os.read(self._answers, READ_BYTES)
            assert data, "the browser has ended"
            self._received += data
        text, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message
