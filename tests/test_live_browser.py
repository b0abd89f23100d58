"""The live page in a real browser: load, type, watch, swap, push, take over, reload, two tabs."""

import asyncio
import importlib
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from headless import browser
from small_policies import small_policy

from vlasandbox.eval.live.local_player import LocalPlayer
from vlasandbox.eval.live.server import LivePage
from vlasandbox.eval.live.session import Session
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.recording.live import LiveStore

IN_CI = bool(os.environ.get("CI"))
"""There a browser that is missing is a mistake."""
playwright = (
    importlib.import_module("playwright.sync_api")
    if IN_CI
    else pytest.importorskip("playwright.sync_api", reason="pip install playwright")
)
BINARY = browser()
if BINARY is None and not IN_CI:
    pytest.skip("no Chromium here (apt-get install chromium)", allow_module_level=True)

pytestmark = pytest.mark.slow
PATIENCE = 60_000
"""[ms]"""
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


class Running:
    """A page that is served from a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.page = LivePage(self._session, "127.0.0.1", 0)
        self._ready = threading.Event()
        self.address = ""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def _session(self, page: LivePage) -> Session:
        return Session([], "pick", 1_000_000, page, LiveStore(self.folder.parent / "live"))

    async def _serve(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()

        def ready(address: str) -> None:
            self.address = address
            self._ready.set()

        try:
            await self.page.run(ready)
        except asyncio.CancelledError:
            pass

    def start(self) -> None:
        self.page.session.scenes.players["policy"] = LocalPlayer("policy", self.folder, "pick")
        self._thread.start()
        assert self._ready.wait(60)

    def stop(self) -> None:
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(60)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("runs") / "policy"
    small_policy("flow").save(folder)
    server = Running(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=BINARY, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(running: Running, chromium: Any) -> Iterator[Any]:
    """A tab that controls, on the first scene, with the expert."""
    tab = opened(chromium, running)
    if tab.inner_text("#play") == "Pause":
        tab.click("#play")
        tab.wait_for_selector("#play:has-text('Play')")
    tab.select_option("#beside", "")
    tab.select_option("#who", "expert")
    say(tab, "")
    tab.wait_for_selector("#play:has-text('Pause')")
    tab.click("#play")
    tab.click("#reset")
    tab.wait_for_selector(".facts:has-text('0.0 s')")
    tab.wait_for_selector("#left-out:empty", state="attached")
    tab.wait_for_selector(".scene:nth-child(2)", state="detached")
    yield tab
    tab.close()


def opened(chromium: Any, running: Running, width: int = 1200) -> Any:
    tab = chromium.new_page(viewport={"width": width, "height": 900})
    tab.set_default_timeout(PATIENCE)
    tab.faults = []
    tab.on("pageerror", lambda error: tab.faults.append(str(error)))
    tab.on("console", lambda said: said.type == "error" and tab.faults.append(said.text))
    tab.goto(running.address)
    tab.wait_for_selector(".scene canvas")
    tab.wait_for_selector("#body option", state="attached")
    return tab


def say(tab: Any, sentence: str) -> None:
    tab.fill("#sentence", sentence)
    tab.press("#sentence", "Enter")


def offered(tab: Any) -> str:
    return tab.get_attribute("#sentences option", "value")


def test_a_typed_sentence_is_obeyed_and_the_outcome_is_told(page):
    sentence = offered(page)
    say(page, sentence)
    page.wait_for_selector(".ended.success")
    assert sentence in page.inner_text(".scene .name")
    assert "success" in page.inner_text("#spoken")
    assert page.evaluate("document.querySelector('.scene canvas').width") == 480
    assert page.locator("#cameras canvas").count() == 2
    assert not page.faults


def test_text_is_never_markup(page):
    say(page, HOSTILE)
    page.wait_for_selector(f".name:has-text('{HOSTILE[:8]}')")
    assert page.title() == "vlasandbox live"
    assert page.locator(".scene img, .scene script, #notes img").count() == 0


def test_the_policy_is_swapped_in_and_shows_what_it_predicts(page):
    page.select_option("#who", "policy")
    page.click("#step")
    page.wait_for_selector(".picture polyline.other", state="attached")
    page.wait_for_selector(".facts:has-text('ms per chunk')")
    page.check("#heat")
    page.fill("#sentence", "kindly pick up the red cube")
    page.press("#sentence", "Enter")
    page.wait_for_selector("#words:has-text('kindly')")
    page.click("#play")
    assert "vla demo" in page.text_content("#command")
    assert not page.faults


def test_two_scenes_part(page):
    page.select_option("#beside", "policy")
    page.wait_for_selector(".scene:nth-child(2)")
    page.click("#play")
    page.wait_for_selector("#diverged:not([hidden])")
    page.select_option("#beside", "")
    page.wait_for_selector(".scene:nth-child(2)", state="detached")


def test_an_object_is_kicked_and_something_is_dropped(page, running):
    track = running.page.session.scenes.tracks[0]
    page.click("summary:has-text('Disturb')")
    page.click("[data-kick=away]")
    page.click("#drop")
    page.wait_for_selector("#left-out:has-text('pushed')", state="attached")
    assert track.is_touched


def test_the_arm_is_dragged(page, running):
    page.select_option("#who", "person")
    box = page.locator(".scene canvas").bounding_box()
    page.mouse.move(box["x"] + 0.55 * box["width"], box["y"] + 0.42 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    page.wait_for_selector(".picture line", state="attached")
    page.mouse.up()
    page.wait_for_selector("#left-out:not(:empty)", state="attached")


def test_a_person_takes_over_by_keyboard(page, running):
    page.select_option("#who", "person")
    page.wait_for_selector("#drive[open]")
    page.click("#play")
    page.wait_for_selector("#play:has-text('Pause')")
    page.locator(".scene canvas").focus()
    before = float(running.page.session.scenes.tracks[0].view.grippers[0, 2])
    page.keyboard.down("e")
    rose = False
    for _ in range(100):
        rose = bool(running.page.session.scenes.tracks[0].view.grippers[0, 2] - before > 0.01)
        if rose:
            break
        page.wait_for_timeout(200)
    page.keyboard.up("e")
    assert rose


def test_what_happens_is_recorded_by_mouse_or_keyboard_and_told(page, running):
    page.click("#record")
    page.wait_for_selector("#recorded:has-text('0 episodes')")
    assert page.get_attribute("#record", "aria-pressed") == "true"
    assert page.input_value("#seed") == "900000"
    page.wait_for_function("document.querySelector('#sentences option').value")
    say(page, offered(page))
    page.wait_for_selector("#recorded:has-text('1 episode')")
    page.wait_for_selector("#recorded:has-text('a success')")
    page.locator(".scene canvas").focus()
    page.keyboard.press("u")
    page.wait_for_selector("#recorded:has-text('0 episodes')")
    assert page.is_hidden("#discard")
    page.select_option("#who", "person")
    page.locator(".scene canvas").focus()
    page.keyboard.down("e")
    page.click("#play")
    page.wait_for_selector(".facts:has-text('0.5 s')")
    page.keyboard.up("e")
    page.keyboard.press("p")
    page.keyboard.press("n")
    page.wait_for_selector("#recorded:has-text('by person')")
    page.click("#mark")
    page.wait_for_selector("#recorded:has-text('a success')")
    page.locator(".scene canvas").focus()
    page.keyboard.press("c")
    page.wait_for_selector("#notes li:has-text('holds 1 episode.')")
    assert page.get_attribute("#recorded", "role") == "status"
    data = Dataset.open(running.folder.parent / "live" / "pick")
    assert data.learned.all()
    assert not page.faults


def test_a_clip_is_downloaded(page):
    say(page, offered(page))
    page.wait_for_selector(".ended.success")
    with page.expect_download() as download:
        page.click("#clip")
    assert Path(download.value.path()).read_bytes()[4:8] == b"ftyp"
    assert download.value.suggested_filename.endswith(".mp4")


def test_a_reload_in_the_middle_finds_everything_as_it_was(page):
    page.click("#step")
    page.wait_for_selector(".facts:has-text('0.1 s')")
    page.reload()
    page.wait_for_selector(".facts:has-text('0.1 s')")
    assert page.input_value("#who") == "expert"


def test_one_tab_controls_and_another_watches_until_it_takes_over(page, chromium, running):
    other = opened(chromium, running)
    other.wait_for_selector("#claim:visible")
    assert other.is_disabled("#play")
    other.click("#claim")
    other.wait_for_selector("#role:has-text('You control')")
    page.wait_for_selector("#role:has-text('You watch')")
    assert page.is_disabled("#play")
    other.close()
    page.wait_for_selector("#role:has-text('Nobody')")
    page.click("#claim")
    page.wait_for_selector("#role:has-text('You control')")


def test_a_dead_simulation_is_told_and_started_again(page, running):
    os.kill(running.page.session.scenes.tracks[0].process.pid, signal.SIGKILL)
    page.click("#step")
    page.wait_for_selector("#notes .error:has-text('started again')")
    say(page, offered(page))
    page.wait_for_selector(".ended.success")


def test_on_a_phone_nothing_is_wider_than_the_screen_and_everything_has_a_name(chromium, running):
    tab = opened(chromium, running, width=360)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    unnamed = tab.evaluate(
        """() => [...document.querySelectorAll('input, select, button')].filter((e) =>
             !e.textContent.trim() && !e.labels?.length && !e.getAttribute('aria-label')).map((e) => e.id)"""
    )
    assert not unnamed
    tab.close()


def test_the_browser_is_told_to_run_no_script_from_elsewhere(page, running):
    response = page.request.get(running.address)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert not re.search("unsafe|\\*", policy)
    for path in ("/etc/passwd", "/../server.py", "/%2e%2e/server.py", "/page/main.js"):
        assert page.request.get(running.address.rstrip("/") + path).status == 404
    foreign = page.request.get(running.address, headers={"Host": "evil.example"})
    assert foreign.status == 403


def test_a_gamepad_moves_the_arm_and_its_button_the_gripper(page, running):
    page.evaluate(
        """() => {
            const pad = { axes: [0, 0, 0, -1], buttons: [{ pressed: false }] };
            Object.defineProperty(navigator, "getGamepads", { value: () => [pad] });
            window.pad = pad;
        }"""
    )
    page.select_option("#who", "person")
    page.wait_for_selector("#drive[open]")
    before = float(running.page.session.scenes.tracks[0].view.grippers[0, 2])
    page.evaluate("window.dispatchEvent(new Event('gamepadconnected'))")
    page.click("#play")
    page.wait_for_selector("#play:has-text('Pause')")
    for _ in range(100):
        if running.page.session.scenes.tracks[0].view.grippers[0, 2] - before > 0.01:
            break
        page.wait_for_timeout(200)
    else:
        raise AssertionError("the stick moved nothing")
    page.evaluate("pad.axes[3] = 0; pad.buttons[0].pressed = true")
    page.wait_for_selector("#grip[aria-pressed=true]")
    page.evaluate("pad.buttons[0].pressed = false")
    assert not page.faults


def test_something_is_dropped_where_the_pointer_is(page, running):
    page.check("[name=tool][value=drop]")
    box = page.locator(".scene canvas").bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.8 * box["height"])
    page.wait_for_selector("#left-out:not(:empty)", state="attached")
    assert running.page.session.scenes.tracks[0].is_touched
    page.check("[name=tool][value=pull]")


def test_the_command_is_copied(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("summary:has-text('The same without a page')")
    page.click("#copy")
    page.wait_for_selector("#notes li:has-text('Copied.')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.text_content("#command")
    assert copied.startswith("vla demo expert --task pick --seed ")


def test_on_a_phone_the_pad_lies_under_the_picture(chromium, running):
    tab = opened(chromium, running, width=375)
    if tab.is_visible("#claim"):
        tab.click("#claim")
    tab.wait_for_selector("#role:has-text('You control')")
    tab.select_option("#who", "person")
    tab.wait_for_selector("#drive[open]")
    picture, pad = (tab.locator(each).bounding_box() for each in (".scene canvas", ".pad"))
    assert pad["y"] + pad["height"] - picture["y"] < 812
    tab.select_option("#who", "expert")
    tab.wait_for_selector("#drive", state="hidden")
    tab.close()


def test_a_page_that_lost_its_connection_says_so_and_comes_back(page):
    page.add_init_script(
        """const Original = WebSocket;
        window.WebSocket = class extends Original {
            constructor(...given) { super(...given); window.socket = this; }
        };"""
    )
    page.reload()
    page.wait_for_selector("#role:has-text('You control')")
    page.evaluate("socket.close()")
    page.wait_for_selector("#connection:has-text('the robot waits')")
    page.wait_for_selector("#connection", state="hidden")
    page.wait_for_selector("#role:has-text('You control')")
    say(page, offered(page))
    page.wait_for_selector(".ended.success")
