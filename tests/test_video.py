import copy

import av
import av.error
import numpy as np
import pytest
from made_up_results import result
from PIL import Image

import vlasandbox.envs as envs
from vlasandbox.envs.control import GRIPPER
from vlasandbox.envs.seeds import TEST
from vlasandbox.eval.compare.comparison import compare
from vlasandbox.eval.result import EpisodeResult, EvalResult, Outcome
from vlasandbox.eval.video.clips import choose, film
from vlasandbox.eval.video.encode import write_animation, write_mp4
from vlasandbox.eval.video.overlay import draw_shot, side_by_side
from vlasandbox.eval.video.replay import Footage, Plan, ReplayError, Shot, planned, replay

SIZE = 64


def play(seed: int, policy: str = "a", shake: float = 0.0, space: str = "ee_delta") -> EvalResult:
    """The expert's episode of `seed`, shaken on request, with its own next actions as chunks."""
    recorded = result(policy, "s", first_seed=seed)
    env = envs.make("pick", action_space=space, image_size=8)
    try:
        _, info = env.reset(seed=seed)
        expert, rng = env.definition.expert(), np.random.default_rng(0)
        actions, done, truncated = [], False, False
        while not done:
            action = expert.act(env).astype(np.float32)
            action[:3] += rng.normal(0, shake, 3).astype(np.float32)
            _, _, terminated, truncated, info = env.step(action)
            actions.append(action)
            done = terminated or truncated
        recorded.spec = env.spec_dict()
    finally:
        env.close()
    outcome = "success" if info["is_success"] else "timeout" if truncated else "failure"
    chunks = [(step, np.array(actions[step : step + 8])) for step in range(0, len(actions), 4)]
    recorded.episodes = [
        EpisodeResult(
            seed, outcome, len(actions), info["progress"], info["stage"], info["instruction"], None,
            np.array(actions), chunks,
        )
    ]  # fmt: skip
    return recorded


@pytest.fixture(scope="module")
def good() -> EvalResult:
    return play(TEST.start)


@pytest.fixture(scope="module")
def bad() -> EvalResult:
    return play(TEST.start, "b", shake=0.05)


def decoded(path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_replay_ends_as_the_episode_did(good):
    footage = replay(good, good.episodes[0], size=SIZE)
    assert len(footage.shots) == good.episodes[0].steps + 1
    assert footage.outcome == "success"
    assert footage.shots[0].image.shape == (SIZE, SIZE, 3)
    assert footage.instruction.startswith("pick up")


@pytest.mark.parametrize("change", ["outcome", "steps", "actions", "instruction"])
def test_a_replay_that_ends_otherwise_is_refused(good, change):
    episode = copy.copy(good.episodes[0])
    if change == "outcome":
        episode.outcome = "timeout"
    elif change == "steps":
        episode.steps += 1
    elif change == "instruction":
        episode.instruction = "pick up the moon"
    else:
        episode.actions = np.zeros_like(episode.actions)
    with pytest.raises(ReplayError, match=f"seed {TEST.start} of a "):
        replay(good, episode, size=SIZE)


def test_an_episode_without_actions_cannot_be_replayed(good):
    episode = copy.copy(good.episodes[0])
    episode.actions = None
    with pytest.raises(ValueError, match="were not kept"):
        replay(good, episode)


@pytest.mark.parametrize("space", ["ee_delta", "ee6d_absolute", "joint_absolute"])
def test_the_plan_of_the_actions_that_follow_is_where_the_robot_is_sent(space):
    actions = play(TEST.start + 1, space=space).episodes[0].actions
    assert actions is not None
    env = envs.make("pick", action_space=space, image_size=8)
    try:
        env.reset(seed=TEST.start + 1)
        points, closes = planned(env, actions)
        references = []
        for action in actions:
            env.step(action)
            references.append(env.reference())
    finally:
        env.close()
    np.testing.assert_allclose(points, np.array(references)[:, :3], atol=1e-6)
    grippers = np.concatenate([[1.0], np.array(references)[:, GRIPPER]])
    np.testing.assert_array_equal(closes, (grippers[1:] < 0) & (grippers[:-1] >= 0))
    assert closes.any()


def test_the_plan_changes_pixels_near_its_points_and_nowhere_else():
    image = np.full((SIZE, SIZE, 3), 90, np.uint8)
    inset = np.zeros((8, 8, 3), np.uint8)
    plan = Plan(np.array([[20.0, 16.0], [26.0, 16.0]]), np.array([False, True]))
    changed = (draw_shot(Shot(image, inset, plan)) != draw_shot(Shot(image, inset, None))).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert changed[16, 20]
    assert changed[16, 23], "the line between the points"
    assert rows.min() >= 16 - 8
    assert rows.max() <= 16 + 8
    assert columns.min() >= 20 - 8
    assert columns.max() <= 26 + 8


def test_a_plan_outside_the_image_is_drawn_without_complaint():
    shot = Shot(
        np.zeros((SIZE, SIZE, 3), np.uint8),
        np.zeros((8, 8, 3), np.uint8),
        Plan(np.array([[-900.0, 5e6], [3e7, -20.0]]), np.array([True, False])),
    )
    assert draw_shot(shot).shape == (SIZE, SIZE, 3)


def still(policy: str, length: int, outcome: Outcome = "success", seed: int = 1) -> Footage:
    shots = [
        Shot(np.full((SIZE, SIZE, 3), 40 + i, np.uint8), np.zeros((8, 8, 3), np.uint8), None)
        for i in range(length)
    ]
    return Footage(policy, seed, "test", "pick up the red cube", outcome, 10.0, shots)


def test_shorter_episodes_freeze_until_the_longest_has_ended():
    frames = side_by_side([still("a", 3), still("b", 8, "timeout")], hold=0.5)
    assert len(frames) == 8 + 5
    assert len({frame.shape for frame in frames}) == 1
    assert all(side % 2 == 0 for side in frames[0].shape[:2])
    left = [frame[:, :SIZE] for frame in frames]
    assert not np.array_equal(left[0], left[2])
    assert all(np.array_equal(part, left[2]) for part in left[2:])
    assert np.array_equal(frames[-1], frames[7])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_any_number_of_policies_fits(count):
    names = [f"a policy with a very long name, number {i}" for i in range(count)]
    frame = side_by_side([still(name, 2) for name in names])[0]
    found = (frame == 40).all(axis=2).sum() / (SIZE * SIZE)
    assert found > 0.8 * count


def test_only_episodes_of_one_seed_stand_side_by_side():
    with pytest.raises(ValueError, match="one seed"):
        side_by_side([still("a", 2), still("b", 2, seed=2)])
    with pytest.raises(ValueError, match="one seed"):
        side_by_side([])


def test_an_mp4_decodes_to_the_frames_that_went_in(tmp_path):
    ramp = np.broadcast_to(np.linspace(0, 250, SIZE, dtype=np.uint8)[:, None, None], (SIZE, SIZE, 3))
    frames = [np.roll(ramp, 4 * i, axis=0).copy() for i in range(12)]
    write_mp4(frames, tmp_path / "x.mp4", 10.0)
    back = decoded(tmp_path / "x.mp4")
    assert len(back) == len(frames)
    assert np.abs(np.array(back, int) - np.array(frames, int)).mean() < 6
    data = (tmp_path / "x.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index comes first"


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_an_animation_holds_every_frame(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    write_animation([np.full((16, 16, 3), 20 * i, np.uint8) for i in range(5)], path, 10.0)
    with Image.open(path) as picture:
        assert picture.n_frames == 5  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"'\.avi'.*\.webp, \.gif"):
        write_animation([np.zeros((4, 4, 3), np.uint8)], tmp_path / "x.avi", 10.0)


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    with pytest.raises((av.error.FFmpegError, ValueError)):
        write_mp4([np.zeros((15, 15, 3), np.uint8)], tmp_path / "x.mp4", 10.0)
    assert list(tmp_path.iterdir()) == []


def test_episodes_are_chosen_by_rule_and_not_twice():
    comparison = compare([result("a", "ssfte"), result("b", "fsffs"), result("a", "tt", "blank_image")])
    chosen = [(choice.seed - TEST.start, choice.condition, choice.rule) for choice in choose(comparison)]
    assert chosen == [
        (1, "test", "the first test seed on which every policy succeeded"),
        (0, "test", "the first test seed on which some policies succeeded and others did not"),
        (2, "test", "the first test seed on which every policy failed"),
        (0, "blank_image", "the first seed of the condition “blank image”"),
    ]


def test_policies_without_anything_to_show_give_no_choice():
    assert choose(compare([result("expert", "ss")])) == []
    assert choose(compare([result("a", "ee")])) == []


def test_a_comparison_is_filmed(tmp_path, good, bad):
    clips = film(compare([good, bad]), tmp_path, size=SIZE, progress=False)
    assert clips[0].outcomes == {"a": "success", "b": bad.episodes[0].outcome}
    assert clips[0].path.stat().st_size < 60_000
    steps = max(good.episodes[0].steps, bad.episodes[0].steps)
    assert len(decoded(clips[0].path)) == steps + 1 + 5
