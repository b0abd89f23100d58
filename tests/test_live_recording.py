"""What the live page records: whose frames they are, what was done to the scene; nothing is lost."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_sessions import LiveSession
from small_policies import small_policy
from websockets.sync.client import connect
from websockets.typing import Origin

from vlasandbox.envs.episode import SOURCES
from vlasandbox.envs.seeds import LIVE, trial
from vlasandbox.eval.live import commands as c
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import DatasetError
from vlasandbox.train.loop import train
from vlasandbox.train.presets import debug
from vlasandbox.train.recording.live import LiveStore

pytestmark = pytest.mark.slow
SEED = LIVE.start
EXPERT, POLICY, PERSON = map(SOURCES.index, ("expert", "policy", "person"))
UP = c.Steer([0.0, 0.0, 1.0, 0.0, 1.0])


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "live"


@pytest.fixture
def live(base: Path, tmp_path: Path) -> Iterator[LiveSession]:
    """A session that may record, with a policy that has learned nothing."""
    small_policy("flow").save(tmp_path / "policy")
    with LiveSession(tmp_path / "policy", store=LiveStore(base)) as session:
        yield session


def steps(live: LiveSession, count: int) -> None:
    for _ in range(count):
        live.do(c.Step())


def told(live: LiveSession) -> dict[str, Any]:
    return live.status["recording"]


def columns(data: Dataset) -> dict[str, np.ndarray]:
    import pyarrow.parquet as pq

    tables = [pq.read_table(path) for path in sorted((data.root / "data").rglob("*.parquet"))]
    names = ("rollout.source", "next.success")
    return {name: np.concatenate([np.ravel(t[name].to_pylist()) for t in tables]) for name in names}


def test_every_frame_says_who_drove_and_the_episode_what_was_done_to_it(live, base):
    live.do(c.Record(True))
    assert live.status["seed"] == SEED, "the scenes that judge policies are not recorded"
    assert not live.scene["ended"]
    steps(live, 3)
    live.do(c.Who("person"))
    live.session.submit(UP)
    steps(live, 2)
    live.do(c.Who("expert"))
    live.do(c.Nudge("object_0", "left"))
    assert live.play()["ended"] == "success"
    last = told(live)["last"]
    assert last["success"]
    assert (last["frames"]["policy"], last["frames"]["person"]) == (3, 2)
    assert told(live)["episodes"] == 1
    live.do(c.Record(False))

    data = Dataset.open(base / "pick")
    found = columns(data)
    assert found["rollout.source"].tolist() == [POLICY] * 3 + [PERSON] * 2 + [EXPERT] * (len(data) - 5)
    assert found["next.success"].tolist() == [False] * (len(data) - 1) + [True]
    assert data.perturbed.nonzero()[0].tolist() == [4], "the kick came after the fifth action"
    assert data.recording is not None
    (episode,) = data.recording["episodes"]
    assert episode["about"] == {"drove": ["policy", "person", "expert"], "touched": ["kicked"]}
    assert episode["seed"] == SEED
    assert data.spec_dict is not None
    assert data.spec_dict["perturb"] == ""


def test_what_is_recorded_is_what_was_executed(live, base):
    """The stored commands, played again from the reset, lead to the same states."""
    from vlasandbox import envs
    from vlasandbox.envs.control import stored_space

    live.do(c.Record(True))
    live.do(c.Who("expert"))
    live.play()
    live.do(c.Record(False))
    data = Dataset.open(base / "pick")
    env = envs.make("pick")
    try:
        observation, _ = env.reset(seed=SEED)
        space = stored_space(env.spec_dict())
        assert data.command is not None
        for state, action, command in zip(data.state, data.action, data.command, strict=True):
            np.testing.assert_allclose(observation["agent_pos"], state, atol=1e-5)
            np.testing.assert_allclose(space.encode(command, env.reference()), action, atol=1e-5)
            observation, *_ = env.step(action)
        assert env.observe()[1]["is_success"]
    finally:
        env.close()


def test_a_sentence_in_the_middle_begins_another_episode(live, base):
    live.do(c.Record(True))
    steps(live, 2)
    live.do(c.Say("wave at me"))
    steps(live, 3)
    live.do(c.Record(False))
    data = Dataset.open(base / "pick")
    assert data.lengths.tolist() == [2, 3]
    assert "wave at me" in data.tasks
    assert data.recording is not None
    first, second = data.recording["episodes"]
    assert (first["seed"], second["seed"]) == (SEED, trial(SEED, 1))
    assert first["about"]["cut_off"]
    assert second["about"]["begins"] == pytest.approx(0.2)
    assert not data.learned.any(), "neither did what was asked"


def test_what_a_perturbed_scene_gives_says_so_and_fits_the_others(live, base):
    live.do(c.Who("expert"))
    live.do(c.Record(True))
    live.play()
    live.do(c.Reset(SEED + 1))
    live.do(c.Perturb({"distractors": 2, "light": 4}))
    live.do(c.Reset(SEED + 2))
    live.do(c.Drop())
    live.play()
    live.do(c.Record(False))
    data = Dataset.open(base / "pick")
    assert data.recording is not None
    first, second = data.recording["episodes"]
    assert "perturb" not in first["about"]
    assert second["about"]["perturb"] == "distractors=2,light=4"
    assert second["about"]["touched"] == ["dropped"]


def test_the_last_episode_is_discarded_or_judged_by_a_person(live, base):
    live.do(c.Record(True))
    steps(live, 2)
    live.do(c.Reset(SEED + 1))
    assert told(live)["episodes"] == 1
    live.do(c.Discard())
    assert (told(live)["episodes"], told(live)["last"]) == (0, None)
    steps(live, 3)
    live.do(c.Reset(SEED + 2))
    live.do(c.Mark(True))
    assert told(live)["last"]["success"]
    live.watcher.notes.clear()
    live.do(c.Record(False))
    assert live.watcher.notes == [f"{base / 'pick'} holds 1 episode."]
    data = Dataset.open(base / "pick")
    assert data.lengths.tolist() == [3]
    assert data.learned.all()
    assert data.recording is not None
    assert data.recording["episodes"][0]["about"]["judged_by"] == "person"
    live.do(c.Discard())
    assert "no episode" in live.watcher.notes[-1], "what is part of the dataset stays"


def test_a_dataset_grows_and_is_trained_on(base, tmp_path):
    for session in range(2):
        with LiveSession(store=LiveStore(base)) as live:
            live.do(c.Record(True))
            assert told(live)["episodes"] == session
            assert live.status["seed"] == SEED + session
            live.play()
            # Not stopped: the session's end is enough.
    data = Dataset.open(base / "pick")
    assert data.recording is not None
    assert [episode["seed"] for episode in data.recording["episodes"]] == [SEED, SEED + 1]
    train(debug.config(base / "pick", updates=2), tmp_path / "run", bar=False)
    assert (tmp_path / "run" / "policy").is_dir()


def test_a_folder_with_something_else_is_refused_in_one_sentence(base):
    (base / "pick").mkdir(parents=True)
    (base / "pick" / "thesis.txt").write_text("mine")
    with LiveSession(store=LiveStore(base)) as live:
        live.do(c.Record(True))
        (note,) = live.watcher.notes
        assert "was not recorded by vlasandbox" in note
        assert not told(live)["on"]
        live.play()
    assert [path.name for path in (base / "pick").iterdir()] == ["thesis.txt"]


def test_a_page_without_a_folder_offers_no_recording():
    with LiveSession() as live:
        assert told(live) is None
        live.do(c.Record(True))
        assert "without a folder" in live.watcher.notes[-1]


def test_scenes_and_policies_that_do_not_fit_are_refused_while_it_records(live, tmp_path):
    from vlasandbox.eval.live.local_player import LocalPlayer

    small_policy("flow", cameras=("front",)).save(tmp_path / "one_eyed")
    live.session.scenes.players["one_eyed"] = LocalPlayer("one_eyed", tmp_path / "one_eyed", "pick")
    live.do(c.Record(True))
    steps(live, 1)
    for command, reason in [(c.Reset(1_000_000), "judge policies"), (c.Who("one_eyed"), "stop recording")]:
        live.watcher.notes.clear()
        live.do(command)
        assert reason in live.watcher.notes[0]
    assert (live.status["seed"], live.scene["who"], told(live)["on"]) == (SEED, "policy", True)
    live.do(c.Scenery("reach"))
    assert not told(live)["on"], "another task has a dataset of its own"
    live.do(c.Who("one_eyed"))
    assert live.scene["who"] == "one_eyed"


def test_a_person_has_all_the_time_that_it_takes(live):
    live.do(c.Who("person"))
    limit = round(4.0 * 10)
    live.session.submit(c.Steer([0.0] * 5))
    steps(live, limit + 2)
    assert not live.scene["ended"]
    live.do(c.Who("expert"))
    assert live.play()["ended"] == "success"


def test_a_store_keeps_to_one_writer_and_names_a_full_disk(base, monkeypatch):
    with LiveSession(store=LiveStore(base)) as first, LiveSession(store=LiveStore(base)) as second:
        first.do(c.Record(True))
        second.do(c.Record(True))
        assert "another process" in second.watcher.notes[-1]
        full = OSError(28, "No space left on device")
        monkeypatch.setattr(
            "vlasandbox.train.data.writer.stage", lambda *_, **__: (_ for _ in ()).throw(full)
        )
        first.session.submit(c.Play())
        first.until(lambda: first.watcher.notes)
        assert "No space left" in first.watcher.notes[-1]
        assert told(first)["episodes"] == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_the_server_ends_what_was_counted_is_kept(base, how):
    argv = ["live", "expert", "--port", "0", "--record", str(base)]
    code = f"import sys; from vlasandbox.train.cli import main; sys.exit(main({argv!r}))"
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = next(filter(None, (re.search(r"http://(\S+)/", line) for line in server.stdout)))[1]
        origin = Origin(f"http://{address}")
        with connect(f"ws://{address}/socket", origin=origin, max_size=None) as socket:
            for command in ({"do": "speed", "value": 0}, {"do": "record", "on": True}, {"do": "play"}):
                socket.send(json.dumps(command))
            for message in socket:
                if isinstance(message, bytes):
                    number = int.from_bytes(message[:8], "big")
                    socket.send(json.dumps({"do": "ack", "number": number}))
                elif ((json.loads(message).get("recording") or {}).get("episodes")) == 1:
                    break
            socket.send(json.dumps({"do": "play"}))
        server.send_signal(how)
        status = server.wait(60)
        assert status == {signal.SIGINT: 130, signal.SIGTERM: 0, signal.SIGKILL: -9}[how]
    finally:
        server.kill()
        server.wait()
    if how == signal.SIGKILL:
        with pytest.raises(DatasetError, match="unfinished recording"):
            Dataset.open(base / "pick")
        with LiveSession(store=LiveStore(base)) as live:
            live.do(c.Record(True))
            assert told(live)["episodes"] == 1
    data = Dataset.open(base / "pick")
    assert data.recording is not None
    assert data.recording["episodes"][0]["success"]
