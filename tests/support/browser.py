"""A real browser: headless Chromium, controlled by the Chrome DevTools Protocol.

It has a temporary profile and reaches nothing but loopback. It ends at the end of a `with`, or, if the interpreter is
killed, by a signal from the kernel.
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
    "--no-sandbox",  # tests may run as root, and the pages are our own
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
    """The browser rejected a command, ended, or did not answer in time."""


class Browser:
    """A browser with one tab, in the time zone of the machine or another one."""

    def __init__(self, program: Path, zone: str | None = None) -> None:
        self._buffer = b""
        self._count = 0
        self._events: list[dict[str, Json]] = []
        self._profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        commands, self._write = os.pipe()
        self._read, answers = os.pipe()
        # The protocol uses file descriptors 3 and 4; sh may not support any above 9.
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
            env={**os.environ, **({"TZ": zone} if zone else {})},
        )
        os.close(commands)
        os.close(answers)
        self._session = ""
        self._height = 0
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
        """End the browser and everything it started, which is a process group of its own."""
        for end in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(self._process.pid, end)
                self._process.wait(5)
        for descriptor in (self._write, self._read):
            os.close(descriptor)
        self._profile.cleanup()

    def open(self, url: str, *, size: tuple[int, int] = DESKTOP, dark: bool = False) -> None:
        """Load a page at a size in CSS pixels, in light or dark mode."""
        self._events.clear()
        width, height = size
        self._height = height
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", **screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call("Page.navigate", url=url)
        self._wait_for("Page.loadEventFired")

    def evaluate(self, expression: str) -> Json:
        """Evaluate a JavaScript expression.

        The page's security policy does not apply to it.
        """
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def texts(self, selector: str) -> list[str]:
        """Return the visible text of every element that matches a CSS selector."""
        found: list[str] = self.evaluate(
            f"[...document.querySelectorAll({json.dumps(selector)})].map(each => each.innerText.trim())"
        )
        return found

    def hover(self, x: float, y: float) -> None:
        """Move the pointer to a position in the window."""
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key: str) -> None:
        """Press and release Tab or Enter."""
        codes = {"Tab": 9, "Enter": 13}
        pressed = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self._call("Input.dispatchKeyEvent", type="keyDown", **pressed, **text)
        self._call("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def screenshot(self, path: Path, *, height: int | None = None, scale: float = 1) -> None:
        """Write a picture of the whole page as PNG, or of its upper part."""
        size = self._call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": scale}
        # Where it is not needed, it would only make the page lay itself out again.
        is_longer = size["height"] > self._height
        shot = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=is_longer, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def accessible(self) -> list[tuple[str, str]]:
        """Return role and name of everything that a screen reader reads, in order."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [
            (each["role"]["value"], each.get("name", {}).get("value", "")) for each in nodes if not each.get("ignored")
        ]

    @property
    def complaints(self) -> list[str]:
        """All errors and warnings of the console about the open page."""
        logged = (each["entry"] for each in self._told("Log.entryAdded"))
        return [
            *(entry["text"] for entry in logged if entry["level"] in ("error", "warning")),
            *(str(each["args"]) for each in self._told("Runtime.consoleAPICalled")),
            *(each["exceptionDetails"]["text"] for each in self._told("Runtime.exceptionThrown")),
        ]

    @property
    def requests(self) -> list[str]:
        """The URLs of all requests of the open page."""
        return [each["request"]["url"] for each in self._told("Network.requestWillBeSent")]

    def _told(self, method: str) -> list[Json]:
        """Return the events of one kind since the page was opened."""
        self.evaluate("1")  # earlier events are read together with its answer
        return [event["params"] for event in self._events if event["method"] == method]

    # -- the protocol: JSON messages, each followed by a zero byte

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
