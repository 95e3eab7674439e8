"""A real browser for tests: Chromium without a window, steered through a pipe (Chrome DevTools Protocol).

It has a profile of its own that is thrown away, reaches nothing but loopback, and ends by its process id: at the end of
a `with`, and by the kernel's hand when the interpreter is killed.
"""

import base64
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from .deadlines import DEADLINE

Json = Any

DESKTOP: Final = (1280, 900)
PHONE: Final = (390, 844)

_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root, and what is looked at is ours
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)


class BrowserError(RuntimeError):
    """The browser refused a command, ended, or did not answer in time."""


class Browser:
    """One tab. `complaints` are all errors and violations that the console told of the page that is open."""

    def __init__(self, program: Path) -> None:
        self._buffer = b""
        self._count = 0
        self._events: list[dict[str, Json]] = []
        self._profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        commands, self._write = os.pipe()
        self._read, answers = os.pipe()
        # The protocol wants file descriptors 3 and 4; plain sh may not know any above 9.
        redirected = f'exec "$@" 3<&{commands} 4>&{answers}'
        profile = f"--user-data-dir={self._profile.name}"
        self._process = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "--", "bash", "-c", redirected, "bash"),
                *(str(program), *_FLAGS, profile, "about:blank"),
            ],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(commands)
        os.close(answers)
        self._session = ""
        try:
            target = self._call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self._call(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it and everything that it started: they are a process group of their own."""
        for end in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(self._process.pid, end)
                self._process.wait(5)
        for descriptor in (self._write, self._read):
            os.close(descriptor)
        self._profile.cleanup()

    def open(self, url: str, *, size: tuple[int, int] = DESKTOP, dark: bool = False) -> None:
        """Load a page at a size in CSS pixels, by day or by night."""
        self._events.clear()
        width, height = size
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", **screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call("Page.navigate", url=url)
        self._wait_for("Page.loadEventFired")

    def evaluate(self, expression: str) -> Json:
        """The value of a JavaScript expression; the page's policy does not bind it."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def texts(self, selector: str) -> list[str]:
        """What is to be read in every element that a CSS selector finds."""
        found: list[str] = self.evaluate(
            f"[...document.querySelectorAll({json.dumps(selector)})].map(each => each.innerText.trim())"
        )
        return found

    def hover(self, x: float, y: float) -> None:
        """Move the pointer to a place of the window."""
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key: str) -> None:
        """Press and release a key: Tab, Enter."""
        codes = {"Tab": 9, "Enter": 13}
        pressed = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self._call("Input.dispatchKeyEvent", type="keyDown", **pressed, **text)
        self._call("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def screenshot(self, path: Path) -> None:
        """Write the whole page as a PNG."""
        size = self._call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def accessible(self) -> list[tuple[str, str]]:
        """Role and name of everything that a screen reader is told, in its order."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [
            (each["role"]["value"], each.get("name", {}).get("value", "")) for each in nodes if not each.get("ignored")
        ]

    @property
    def complaints(self) -> list[str]:
        """What the console says is wrong with the page."""
        logged = (each["entry"] for each in self._told("Log.entryAdded"))
        return [
            *(entry["text"] for entry in logged if entry["level"] in ("error", "warning")),
            *(str(each["args"]) for each in self._told("Runtime.consoleAPICalled")),
            *(each["exceptionDetails"]["text"] for each in self._told("Runtime.exceptionThrown")),
        ]

    @property
    def requests(self) -> list[str]:
        """Every address that the page that is open made the browser ask for."""
        return [each["request"]["url"] for each in self._told("Network.requestWillBeSent")]

    def _told(self, method: str) -> list[Json]:
        """The events of a kind since the page was opened."""
        self.evaluate("1")  # what was sent before is read with its answer
        return [event["params"] for event in self._events if event["method"] == method]

    # -- the protocol: JSON texts, each ended by a zero byte

    def _call(self, method: str, **parameters: Json) -> dict[str, Json]:
        self._count += 1
        command: dict[str, Json] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._write, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + DEADLINE
        while (message := self._message(deadline)).get("id") != self._count:
            self._events.append(message)
        if "error" in message:
            raise BrowserError(f"{method}: {message['error']}")
        result: dict[str, Json] = message["result"]
        return result

    def _wait_for(self, event: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while not any(each.get("method") == event for each in self._events):
            self._events.append(self._message(deadline))

    def _message(self, deadline: float) -> dict[str, Json]:
        while b"\0" not in self._buffer:
            ready = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))[0]
            part = os.read(self._read, 1 << 20) if ready else b""
            if not part:
                raise BrowserError("the browser has ended" if ready else "the browser does not answer")
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Json] = json.loads(text)
        return message
