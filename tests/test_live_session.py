"""A session of the live page: what commands do to a scene, with a real simulation and no browser."""

import os
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from live_sessions import LiveSession
from served import serving
from small_policies import small_policy

from vlasandbox.eval.live import commands as c
from vlasandbox.eval.live.clip import encode_clip
from vlasandbox.eval.live.remote_player import RemotePlayer
from vlasandbox.eval.rollout.evaluate import evaluate
from vlasandbox.policies.execution import Execution
from vlasandbox.policies.policy import Policy
from vlasandbox.policies.remote.client import RemoteError

pytestmark = pytest.mark.slow
SEED = 1_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flow policy that has learned nothing."""
    path = tmp_path_factory.mktemp("runs") / "policy"
    small_policy("flow").save(path)
    return path


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[LiveSession]:
    with LiveSession(folder) as session:
        yield session


@pytest.fixture
def live(shared: LiveSession) -> LiveSession:
    """The session as it was at first."""
    shared.do(c.Pause())
    shared.do(c.Beside(""))
    shared.do(c.Perturb({}))
    shared.do(c.Execute())
    shared.do(c.Reset(SEED))
    shared.do(c.Say(""))
    shared.do(c.Who("policy"))
    shared.watcher.notes.clear()
    return shared


def positions(live: LiveSession) -> np.ndarray:
    return live.session.scenes.tracks[0].view.grippers


def test_the_expert_does_what_is_typed_and_then_what_is_typed_next(live):
    live.do(c.Who("expert"))
    first, second = live.watcher.states["scene"]["here"][:2]
    live.do(c.Say(first))
    done = live.play()
    assert (done["ended"], done["progress"], done["instruction"]) == ("success", 1.0, first)
    live.do(c.Say(second))
    assert not live.scene["ended"]
    assert live.scene["progress"] < 1.0
    assert live.scene["seconds"] == done["seconds"], "the scene goes on"
    assert live.play()["instruction"] == second


def test_an_untouched_episode_is_that_of_an_evaluation(live, folder):
    execution = Execution(3)
    live.do(c.Execute(3))
    live.do(c.Reset())
    mine = live.play()
    (episode,) = evaluate(folder, "pick", [SEED], execution=execution, workers=1, progress=False).episodes
    assert (mine["ended"], round(mine["seconds"] * 10)) == (episode.outcome, episode.steps)
    assert mine["progress"] == pytest.approx(episode.progress, abs=1e-4)
    assert episode.path is not None
    np.testing.assert_array_equal(positions(live).ravel().astype(np.float32), episode.path[-1])


def test_the_command_line_says_what_repeats_the_episode_and_what_is_left_out(live, folder):
    live.do(c.Say("pick up the red cube"))
    said = live.status["command"]
    words = shlex.split(said["text"])
    assert words[:4] == ["vla", "demo", str(folder), "pick up the red cube"]
    assert words[words.index("--seed") + 1] == str(SEED)
    assert not said["left_out"]
    live.do(c.Kick(0.5, 0.7))
    assert "pushed" in live.status["command"]["left_out"]


def test_who_moves_the_robot_is_swapped_in_the_middle_and_nothing_jumps(live):
    for _ in range(3):
        live.do(c.Step())
    before, seconds = positions(live), live.scene["seconds"]
    assert seconds == pytest.approx(0.3)
    live.do(c.Who("expert"))
    np.testing.assert_allclose(positions(live), before, atol=1e-6)
    assert live.scene["seconds"] == seconds
    assert live.play()["ended"] == "success"


def test_a_perturbation_is_switched_on_in_the_middle_and_nothing_jumps(live):
    live.do(c.Who("expert"))
    for _ in range(3):
        live.do(c.Step())
    before, picture = positions(live), live.watcher.pictures[-1][2][0]
    live.do(c.Perturb({"light": 5, "distractors": 2}))
    np.testing.assert_allclose(positions(live), before, atol=1e-6)
    assert live.status["perturb"] == {"light": 5, "distractors": 2}
    assert live.watcher.pictures[-1][2][0] != picture
    assert live.play()["ended"] == "success"


def test_what_cannot_be_is_refused_and_changes_nothing(live):
    before = live.do(c.Pause())
    refused = [
        c.Perturb({"ligth": 3}), c.Perturb({"light": 9}), c.Scenery("pik"), c.Scenery("pick", "nobody"),
        c.Who("nobody"), c.Execute(4, 9), c.Execute(2, 1, wait=True, guided=True), c.Sampling("depth=3"),
        c.Pull(0.5, 0.5, 1), c.Picture("huge"), c.Beside("nobody"),
    ]  # fmt: skip
    for command in refused:
        live.watcher.notes.clear()
        after = live.do(command)
        assert len(live.watcher.notes) == 1, command
        assert {**after, "scenes": 0} == {**before, "scenes": 0}, command


def test_two_scenes_of_one_seed_are_marked_where_they_part(live):
    live.do(c.Beside("expert"))
    assert [scene["who"] for scene in live.status["scenes"]] == ["policy", "expert"]
    assert live.status["diverged"] is None
    live.session.submit(c.Play())
    live.until(lambda: all(scene["ended"] for scene in live.status["scenes"]))
    assert live.status["scenes"][1]["ended"] == "success"
    assert 0 < live.status["diverged"] <= live.status["scenes"][1]["seconds"]


def test_a_person_drives_and_lets_go(live):
    live.do(c.Who("person"))
    before = positions(live)
    live.session.submit(c.Steer([0.0, 0.0, 1.0, 0.0, 1.0]))
    for _ in range(3):
        live.do(c.Step())
    after = positions(live)
    assert after[0, 2] - before[0, 2] > 0.01
    live.session.submit(c.Steer([0.0, 0.0, 0.0, 0.0, 0.0]))
    for _ in range(3):
        live.do(c.Step())
    np.testing.assert_allclose(positions(live)[0], after[0], atol=0.02)


def test_words_that_no_training_sentence_had_are_named(live):
    live.do(c.Say("kindly lift the red cube"))
    assert live.scene["unknown"] == ["kindly", "lift"] or "kindly" in live.scene["unknown"]
    assert not live.scene["judged"]


def test_a_policy_behind_a_socket_moves_the_robot_and_its_loss_is_told(live, folder):
    pytest.importorskip("msgpack", reason="pip install 'vlasandbox[serve]'")
    with serving(Policy.load(folder), "distant") as port:
        player = RemotePlayer(f"ws://127.0.0.1:{port}")
        assert player.name == f"distant at 127.0.0.1:{port}"
        live.session.scenes.players[player.name] = player
        live.do(c.Who(player.name))
        live.do(c.Step())
        assert live.scene["chunk_ms"]
        near = positions(live).copy()
        assert "behind a socket" in live.status["command"]["left_out"]
        live.do(c.Who("policy"))
        live.do(c.Reset())
        live.do(c.Step())
        np.testing.assert_allclose(positions(live), near, atol=1e-4)
        live.do(c.Who(player.name))
        for command in (c.Execute(2, guided=True), c.Sampling("steps=5")):
            live.watcher.notes.clear()
            live.do(command)
            assert len(live.watcher.notes) == 1
    live.do(c.Reset())
    live.watcher.notes.clear()
    live.session.submit(c.Play())
    live.until(lambda: live.watcher.notes)
    live.until(lambda: not live.status["playing"])
    (note,) = live.watcher.notes
    assert "cannot connect" in note or "is gone" in note
    live.do(c.Who("policy"))
    del live.session.scenes.players[player.name]
    with pytest.raises(RemoteError, match="vla serve"):
        RemotePlayer(f"ws://127.0.0.1:{port}")


def test_a_sentence_that_asks_for_nothing_stops_the_expert_with_a_reason(live):
    live.do(c.Who("expert"))
    live.do(c.Say("dance for me"))
    live.session.submit(c.Play())
    live.until(lambda: live.watcher.notes)
    live.until(lambda: not live.status["playing"])
    assert "expert does not know" in live.watcher.notes[-1]


def test_nobody_watching_is_a_pause(live):
    live.do(c.Who("expert"))
    live.session.watched(False)
    live.do(c.Play())
    seconds = live.scene["seconds"]
    live.do(c.Speed(0.0))
    assert live.scene["seconds"] == seconds
    live.session.watched(True)
    live.until(lambda: live.scene["ended"])


def test_a_dead_simulation_is_started_again_on_the_same_episode(live):
    for _ in range(2):
        live.do(c.Step())
    os.kill(live.session.scenes.tracks[0].process.pid, signal.SIGKILL)
    live.session.submit(c.Play())
    live.until(lambda: any("SIGKILL" in note for note in live.watcher.notes))
    live.do(c.Who("expert"))
    assert live.play()["ended"] == "success"
    assert live.status["seed"] == SEED


def test_a_clip_is_a_video_of_what_was_shown(live):
    live.do(c.Who("expert"))
    live.play()
    live.watcher.files.clear()
    live.do(c.Clip())
    ((name, content),) = live.watcher.files
    assert name.endswith(".mp4")
    assert b"ftyp" in content[:16]


def test_a_clip_keeps_to_the_simulated_time(live, tmp_path):
    jpeg = live.watcher.pictures[-1][2][0]
    path = tmp_path / "clip.mp4"
    path.write_bytes(encode_clip([(0.0, jpeg), (0.5, jpeg), (0.5, jpeg), (1.0, jpeg)]))
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 21
    with pytest.raises(ValueError, match="no pictures"):
        encode_clip([])
