"""Opens a page in a headless Chromium, for tests of pages."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Visit:
    """What a browser made of a page."""

    dom: str
    console: list[str]
    requests: list[str]
    """Addresses that it asked for, beyond the page itself and what is inside it."""


def browser() -> str | None:
    """Path of a Chromium on this machine."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def visit(binary: str, page: Path, scratch: Path) -> Visit:
    """Opens `page` without a screen and reads what came of it."""
    log = scratch / "net.json"
    command = [
        binary, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-component-update", "--no-first-run", f"--user-data-dir={scratch / 'profile'}",
        "--enable-logging=stderr", f"--log-net-log={log}", "--virtual-time-budget=5000", "--dump-dom",
        page.resolve().as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    starts = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    # What the browser asks for its own sake (time, dictionaries) has no origin.
    asked = {start["url"] for start in starts if start.get("initiator", "not an origin") != "not an origin"}
    return Visit(
        done.stdout,
        [line for line in done.stderr.splitlines() if ":CONSOLE" in line],
        sorted(address for address in asked if address.startswith(("http:", "https:", "ws:", "wss:"))),
    )
