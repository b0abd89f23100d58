"""Films the live page for the documentation: python docs/media/live.py writes docs/media/live.webp.

Needs Chromium and `pip install playwright`. The robot moves one control step per picture, so the film does
not depend on how fast the machine is.
"""

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

OUT = Path(__file__).with_suffix(".webp")
VIEW = {"width": 1060, "height": 760}
"""[px]"""
SHOWN = 720
"""Width of the film [px]."""
STEP = 100
"""Of a control step, and for how long its picture is shown [ms]."""


class Film:
    """Pictures of a tab, each with how long it is shown [ms]."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab
        self.pictures: list[tuple[Image.Image, int]] = []

    def shoot(self, milliseconds: int = STEP) -> None:
        self.tab.evaluate("window.scrollTo(0, 0)")
        picture = Image.open(io.BytesIO(self.tab.screenshot())).convert("RGB")
        height = round(SHOWN * picture.height / picture.width)
        self.pictures.append((picture.resize((SHOWN, height), Image.Resampling.LANCZOS), milliseconds))

    def type(self, sentence: str) -> None:
        self.tab.fill("#sentence", "")
        for start in range(0, len(sentence), 3):
            self.tab.locator("#sentence").press_sequentially(sentence[start : start + 3])
            self.shoot()
        self.tab.press("#sentence", "Enter")
        self.tab.wait_for_selector("#play:has-text('Pause')")
        self.tab.click("#play")
        self.tab.wait_for_selector("#play:has-text('Play')")

    def steps(self, most: int, *, until_end: bool = True) -> None:
        for _ in range(most):
            facts = self.tab.inner_text(".facts >> nth=0")
            self.tab.click("#step")
            self.tab.wait_for_function(
                "was => document.querySelector('.facts').innerText.split(' s')[0] !== was.split(' s')[0]"
                " || document.querySelector('.ended').innerText",
                arg=facts,
            )
            self.tab.wait_for_timeout(150)
            self.shoot()
            if until_end and all(self.tab.locator(".ended").all_inner_texts()):
                break
        self.pictures[-1] = (self.pictures[-1][0], 1200)

    def save(self) -> None:
        first, *others = [picture for picture, _ in self.pictures]
        durations = [milliseconds for _, milliseconds in self.pictures]
        first.save(OUT, save_all=True, append_images=others, duration=durations, loop=0, quality=75, method=6)
        seconds, size = sum(durations) / 1e3, OUT.stat().st_size / 1e3
        print(f"{OUT}: {len(durations)} pictures, {seconds:.1f} s, {size:.0f} kB")


@contextmanager
def served() -> Iterator[str]:
    """The address of a page with the packaged policy."""
    argv = ["live", "--port", "0", "--task", "pick"]
    code = f"import sys; from vlasandbox.train.cli import main; sys.exit(main({argv!r}))"
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield next(filter(None, (re.search(r"http://\S+", line) for line in server.stdout)))[0]
    finally:
        server.terminate()
        server.wait()


def film(tab: Any) -> Film:
    """A sentence, a kick in the middle, and the expert beside the policy."""
    film = Film(tab)
    tab.select_option("#quality", "pretty")
    tab.select_option("#speed", "0.25")
    tab.wait_for_timeout(1000)
    film.shoot(800)
    film.type("pick up the red cube")
    film.steps(30)
    tab.click("#next")
    tab.wait_for_selector(".facts:has-text('0.0 s')")
    film.steps(5)
    tab.check("[name=tool][value=kick]")
    tab.click("summary:has-text('Disturb')")
    tab.click("[data-kick=left]")
    tab.click("summary:has-text('Disturb')")
    film.steps(30)
    tab.select_option("#beside", "expert")
    tab.wait_for_selector(".scene:nth-child(2)")
    tab.wait_for_timeout(500)
    film.steps(30)
    return film


if __name__ == "__main__":
    with served() as address, sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page(viewport=VIEW)
        page.set_default_timeout(120_000)
        page.goto(address)
        page.wait_for_selector("#body option", state="attached")
        film(page).save()
        chromium.close()
