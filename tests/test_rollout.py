"""Closed-loop evaluation: outcomes depend on (policy, task, seed) alone, and trouble never ends in a hang."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_policies import CHUNK, HEADS, VARIABLE, small_policy

from vlasandbox import envs
from vlasandbox.envs.config import EnvConfig
from vlasandbox.envs.seeds import TEST
from vlasandbox.envs.simulation.lane import LaneSettings
from vlasandbox.envs.simulation.process import TRIES, StoppedError, WorkerProcess
from vlasandbox.envs.tasks.detour import SIDES
from vlasandbox.eval.result import EvalResult
from vlasandbox.eval.rollout.collector import EpisodeCollector
from vlasandbox.eval.rollout.evaluate import evaluate
from vlasandbox.eval.rollout.game import split
from vlasandbox.eval.rollout.inference import BLANK, LANES, THREADS, BatchedPolicy
from vlasandbox.eval.rollout.lane_observation import LaneObservation
from vlasandbox.eval.rollout.lane_player import SERVICE, EvaluationError, LanePlayer
from vlasandbox.policies.execution import Execution
from vlasandbox.policies.head import SamplingCounts

pytestmark = pytest.mark.slow

RIGGED = '''
"""Pick, but some seeds raise or kill the process; tells what is imported and which processes there are."""
import os, signal, sys
from pathlib import Path
from vlasandbox.envs.tasks.pick import Pick

class Faulty(Pick):
    def build(self):
        (Path({folder!r}) / str(os.getpid())).write_text(" ".join(sys.modules))
        return super().build()

    def reset(self, world, rng):
        self.seed = rng.bit_generator.seed_seq.entropy
        if self.seed in {raises!r}:
            raise RuntimeError("boom")
        if self.seed in {lacks!r}:
            raise MemoryError
        if self.seed in {kills!r}:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.seed in {kills_once!r} and not (note := Path({folder!r}) / "killed").exists():
            note.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().reset(world, rng)

    def is_success(self, world, scenario):
        if self.seed in {raises_later!r} and world.data.time > 0.35:
            raise RuntimeError("boom later")
        while self.seed in {hangs!r}:
            pass
        return super().is_success(world, scenario)
'''


@pytest.fixture
def rig(tmp_path, monkeypatch):
    """Makes the task "rigged.faulty"; returns the folder with a file per simulation process."""
    package = tmp_path / "packages"
    folder = tmp_path / "processes"
    (package / "rigged").mkdir(parents=True)
    folder.mkdir()
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setenv("VLASANDBOX_ALLOW", "rigged")

    def write(raises=(), kills=(), raises_later=(), hangs=(), kills_once=(), lacks=()):
        text = RIGGED.format(
            folder=str(folder),
            raises=raises,
            kills=kills,
            raises_later=raises_later,
            hangs=hangs,
            kills_once=kills_once,
            lacks=lacks,
        )
        (package / "rigged" / "faulty.py").write_text(text)
        return folder

    return write


def sight(seed: int, rng: np.random.Generator, instruction: str) -> LaneObservation:
    images = rng.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    return LaneObservation(seed, 0, images, rng.normal(size=17).astype(np.float32), instruction)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("head", HEADS)
def test_a_row_answers_the_same_bits_whatever_the_other_rows_hold(head):
    policy = small_policy(head)
    rng = np.random.default_rng(0)
    sentences = envs.tasks.load("pick").instructions()
    row = 5
    seed = TEST.start + row
    mine = sight(seed, rng, sentences[0])
    alone = BatchedPolicy(policy, False).chunks({row: mine})[row]
    assert alone.shape == (CHUNK, 5)
    for neighbours in (range(LANES), range(4, 7), [row, 15]):
        others = {
            r: sight(TEST.start + r + LANES * r, rng, sentences[r % len(sentences)]) for r in neighbours
        }
        assert np.array_equal(BatchedPolicy(policy, False).chunks(others | {row: mine})[row], alone)


@pytest.mark.parametrize("head", [*HEADS, *VARIABLE])
def test_two_threads_sample_from_one_policy_as_if_each_had_its_own(head):
    policy = small_policy(head)
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    sentences = envs.tasks.load("pick").instructions()

    def answers(instruction_tokens: int) -> tuple[list[np.ndarray], SamplingCounts]:
        rng = np.random.default_rng(instruction_tokens)
        seen = [sight(TEST.start + row, rng, sentences[row % len(sentences)]) for row in range(LANES)]
        batch = BatchedPolicy(policy, False, instruction_tokens=instruction_tokens)
        torch.set_num_threads(THREADS)
        steps = [batch.chunks({r: replace(s, step=i) for r, s in enumerate(seen)}) for i in range(3)]
        return [chunk for step in steps for chunk in step.values()], batch.counts

    alone = [answers(tokens) for tokens in (0, 24)]
    attributes = {name: sorted(vars(module)) for name, module in policy.named_modules()}
    plain = {name: _plain(module) for name, module in policy.named_modules()}
    for _ in range(3):
        with ThreadPoolExecutor(2) as pool:
            together = list(pool.map(answers, (0, 24)))
        for (one, own_counts), (other, shared_counts) in zip(alone, together, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
            assert own_counts == shared_counts
            assert own_counts.chunks == 3 * LANES
    assert {name: sorted(vars(module)) for name, module in policy.named_modules()} == attributes
    assert {name: _plain(module) for name, module in policy.named_modules()} == plain
    assert all(torch.equal(before[name], value) for name, value in policy.state_dict().items())


def _plain(module: torch.nn.Module) -> dict[str, Any]:
    """Attributes of a module that are numbers: what a head would count in."""
    return {name: value for name, value in vars(module).items() if isinstance(value, int | float | str)}


def test_an_episode_draws_its_noise_anew_and_continues_it_from_query_to_query():
    policy = small_policy("flow")
    rng = np.random.default_rng(0)
    a, b = sight(3, rng, "pick up the red cube"), sight(3 + LANES, rng, "pick up the blue can")
    batch = BatchedPolicy(policy, False)
    first, second = batch.chunks({3: a})[3], batch.chunks({3: replace(a, step=4)})[3]
    assert not np.array_equal(first, second)
    batch.chunks({3: b})
    assert np.array_equal(batch.chunks({3: a})[3], first)


def test_a_blank_image_hides_the_images_and_nothing_else():
    policy = small_policy("regression")
    seen = []
    act = policy.act

    def watched(observation, generators, **options):
        seen.append(observation)
        return act(observation, generators, **options)

    policy.act = watched  # pyright: ignore[reportAttributeAccessIssue]
    rng = np.random.default_rng(0)
    mine = sight(0, rng, "pick up the red cube")
    BatchedPolicy(policy, True).chunks({0: mine})
    assert (seen[0].images == BLANK).all()
    assert torch.equal(seen[0].state[0], torch.from_numpy(mine.state))


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("seeds", [range(2_000_000, 2_000_050), [7, 23, 39, 8], [5]])
def test_each_seed_is_played_once_in_its_own_lane(workers, seeds):
    shares = split(seeds, workers)
    played = [(lane, seed) for share in shares for lane, mine in share.items() for seed in mine]
    assert sorted(seed for _, seed in played) == sorted(seeds)
    assert all(lane == seed % LANES for lane, seed in played)
    assert len(shares) <= workers
    sizes = [sum(map(len, share.values())) for share in shares]
    assert max(sizes) - min(sizes) <= LANES


@pytest.mark.parametrize("varied", [EnvConfig(perturb="paraphrase=0-5"), EnvConfig(wording="held_out")])
def test_sentences_longer_than_all_of_training_are_asked_whatever_the_company(varied):
    policy = small_policy("regression")
    seeds = range(TEST.start, TEST.start + 12)
    found = evaluate(policy, varied, seeds, workers=1, progress=False).episodes
    assert max(len(e.instruction.split()) for e in found) > 8
    assert all(e.outcome != "error" for e in found)
    (alone,) = evaluate(policy, varied, seeds[3:4], progress=False).episodes
    assert alone == found[3]


def test_an_episode_is_the_same_with_one_and_two_workers_in_any_order_and_company():
    policy = small_policy("flow")
    seeds = [*range(TEST.start, TEST.start + 5), TEST.start + 16, TEST.start + 32]
    alone = evaluate(policy, "pick", seeds, workers=1, progress=False)
    subset = seeds[::-1][:4]
    together = evaluate(policy, "pick", subset, workers=2, progress=False)
    assert [e.seed for e in alone.episodes] == seeds
    assert [e.seed for e in together.episodes] == subset
    by_seed = {e.seed: e for e in alone.episodes}
    for episode in together.episodes:
        assert episode == by_seed[episode.seed]  # outcome, mode, every action, chunk and position bit for bit
    episode = alone.episodes[0]
    assert episode.outcome in ("failure", "timeout", "success")
    assert episode.actions is not None
    assert episode.actions.shape == (episode.steps, 5)
    assert episode.path is not None
    assert (episode.path.shape, episode.path.dtype) == ((episode.steps, 3), np.float32)
    assert not np.array_equal(episode.path[-1], episode.path[-2])
    assert [step for step, _ in episode.chunks] == list(range(0, episode.steps, 4))
    assert np.array_equal(episode.chunks[1][1][:4], episode.actions[4:8])
    assert not np.array_equal(episode.chunks[0][1], alone.episodes[1].chunks[0][1])
    assert (alone.lanes, alone.threads, alone.execution.execution_horizon, alone.evaluations) == (16, 1, 4, 3)
    assert alone.env_steps == sum(e.steps for e in alone.episodes)
    assert 0 < alone.chunk_ms_p50 <= alone.chunk_ms_p95
    assert alone.spec["action_space"]["name"] == "ee_delta"
    assert alone.versions["mujoco"] == alone.spec["mujoco"]


def test_stored_actions_replay_to_the_same_end():
    result = evaluate(
        small_policy("flow"), "pick", [TEST.start], workers=1, progress=False, condition="blank_image"
    )
    (episode,) = result.episodes
    env = envs.make("pick")
    env.reset(seed=episode.seed)
    assert episode.actions is not None
    steps = [env.step(action) for action in episode.actions]
    _, _, terminated, truncated, info = steps[-1]
    assert (terminated or truncated, info["progress"]) == (True, episode.progress)
    ee = env.state_names.index("ee_x")
    measured = np.stack([observation["agent_pos"][ee : ee + 3] for observation, *_ in steps])
    assert np.array_equal(measured, episode.path)  # pyright: ignore[reportArgumentType]
    assert np.isnan(result.chunk_ms_p50)
    env.close()


def test_the_expert_succeeds_and_with_swapped_words_still_lifts_the_original():
    seeds = range(TEST.start, TEST.start + 6)
    expert = evaluate("expert", "pick", seeds, workers=2, progress=False)
    swapped = evaluate("expert", "pick", seeds, workers=1, progress=False, condition="swapped_instruction")
    assert expert.policy == "expert"
    assert expert.successes == swapped.successes == 6
    for a, b in zip(expert.episodes, swapped.episodes, strict=True):
        assert a.instruction != b.instruction
        assert np.array_equal(a.actions, b.actions)  # pyright: ignore[reportArgumentType]
        assert a.stage == "lifted"


def test_the_way_taken_and_the_path_of_the_gripper_are_kept_whoever_plays_beside():
    seeds = range(TEST.start, TEST.start + 6)
    alone = evaluate("expert", "detour", seeds, workers=1, progress=False)
    together = evaluate("expert", "detour", seeds[::-1], workers=2, progress=False)
    assert alone.episodes == together.episodes[::-1]
    env = envs.make("detour", cameras=())
    for episode in alone.episodes:
        env.reset(seed=episode.seed)
        side = SIDES[env.scenario.way.side]
        assert episode.path is not None
        aside = [env.scenario.way.seen_from(point)[1] for point in episode.path[:, :2]]
        assert episode.mode == side == SIDES[int(np.sign(max(aside, key=abs)))]
    assert {episode.mode for episode in alone.episodes} == set(SIDES.values())
    env.close()


def test_a_path_holds_every_arm_and_a_task_with_one_way_has_no_mode():
    (episode,) = evaluate("expert", "handover", [TEST.start], workers=1, progress=False).episodes
    assert episode.path is not None
    assert episode.path.shape == (episode.steps, 6)
    assert np.abs(episode.path[:, :3] - episode.path[:, 3:]).max() > 0.1
    assert episode.mode is None


def test_a_policy_is_loaded_from_its_folder_and_left_as_it_was(tmp_path):
    policy = small_policy("regression")
    policy.save(tmp_path / "mine")
    policy.train()
    act, seen = policy.act, []

    def watched(observation, generators, **options):
        seen.append((policy.training, torch.get_num_threads()))
        return act(observation, generators, **options)

    policy.act = watched  # pyright: ignore[reportAttributeAccessIssue]
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        a = evaluate(policy, "pick", [TEST.start], workers=1, progress=False)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert policy.training
    assert set(seen) == {(False, THREADS)}
    b = evaluate(tmp_path / "mine", "pick", [TEST.start], workers=1, progress=False)
    assert a.episodes == b.episodes
    assert (b.policy, b.checkpoint) == ("mine", str(tmp_path / "mine"))


def test_workers_import_neither_torch_nor_transformers(rig):
    folder = rig()
    evaluate(small_policy("regression"), "rigged.faulty", [1, 2], workers=1, progress=False)
    (modules,) = [set(path.read_text().split()) for path in folder.iterdir()]
    assert "mujoco" in modules
    assert not modules & {"torch", "transformers", "diffusers"}


def test_an_episode_that_raises_is_an_error_and_its_lane_goes_on(rig):
    rig(raises=(16, 32), raises_later=(1,))
    seeds = [0, 16, 32, 48, 1, 17]
    result = evaluate(small_policy("regression"), "rigged.faulty", seeds, workers=1, progress=False)
    outcome = {e.seed: e.outcome for e in result.episodes}
    assert [outcome[seed] for seed in (16, 32, 1)] == ["error"] * 3
    assert "error" not in [outcome[seed] for seed in (0, 48, 17)]
    assert result.errors == 3
    raised = result.episodes[1]
    assert raised.error is not None
    assert raised.error.startswith("RuntimeError: boom (faulty.py:")
    assert raised.traceback is not None
    assert raised.traceback.startswith("Traceback (most recent call last):")
    assert "faulty.py" in raised.traceback
    later = result.episodes[4]
    assert later.error is not None
    assert "boom later" in later.error
    assert later.instruction.startswith("pick up")
    clean = evaluate(small_policy("regression"), "pick", [48], workers=1, progress=False)
    assert result.episodes[3] == clean.episodes[0]


def test_actions_that_are_not_finite_make_an_error():
    policy = small_policy("regression")
    with torch.no_grad():
        policy.action_normalizer.center.fill_(torch.nan)
    result = evaluate(policy, "pick", [TEST.start], workers=1, progress=False)
    assert result.episodes[0].error is not None
    assert "not finite" in result.episodes[0].error


def test_an_episode_that_kills_its_process_is_missing_and_the_others_are_not(rig, capsys, tmp_path):
    folder = rig(kills=(1,))
    result = evaluate("expert", "rigged.faulty", [0, 1, 2, 3], workers=1, progress=False)
    outcomes = {e.seed: e.outcome for e in result.episodes}
    assert outcomes == {0: "success", 1: "missing", 2: "success", 3: "success"}
    assert (result.successes, result.missing, result.errors) == (3, 1, 0)
    assert "killed by SIGKILL" in str(result.episodes[1].error)
    said = capsys.readouterr().err
    assert "1 of 4 episodes are missing, seeds [1]: each time the simulation process was killed by" in said
    assert len(list(folder.iterdir())) == 1 + TRIES
    result.save(tmp_path / "result")
    assert EvalResult.load(tmp_path / "result") == result


def test_a_process_that_is_killed_changes_no_outcome(rig):
    folder = rig(kills_once=(1,))
    policy, seeds = small_policy("diffusion"), [0, 1, 16, 17, 32]
    result = evaluate(policy, "rigged.faulty", seeds, workers=1, progress=False)
    assert len(list(folder.iterdir())) == 2 + 1  # a note that it was killed, too
    clean = evaluate(policy, "pick", seeds, workers=1, progress=False)
    assert result.episodes == clean.episodes


def test_what_was_played_beside_an_episode_that_kills_is_played_alone(rig):
    rig(kills=(1,))
    policy = small_policy("regression")
    result = evaluate(policy, "rigged.faulty", [0, 1, 16, 17, 2], workers=1, progress=False)
    clean = evaluate(policy, "pick", [0, 16, 17, 2], workers=1, progress=False)
    assert result.missing == 1
    assert [e for e in result.episodes if e.outcome != "missing"] == clean.episodes


def test_processes_that_keep_dying_end_the_evaluation_with_a_message(rig):
    rig(kills=range(10))
    with pytest.raises(EvaluationError, match=r"die without finishing an episode.* killed by SIGKILL"):
        evaluate("expert", "rigged.faulty", range(10), workers=1, progress=False)


def test_a_policy_that_raises_ends_the_evaluation_and_its_processes(rig):
    folder = rig()
    policy = small_policy("regression")

    def broken(observation, generators, **options):
        raise RuntimeError("no such kernel")

    policy.act = broken  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(RuntimeError, match="no such kernel"):
        evaluate(policy, "rigged.faulty", range(4), workers=2, progress=False, condition="blank_image")
    assert not any(alive(int(path.name)) for path in folder.iterdir())


def test_a_policy_that_raises_for_one_observation_fails_in_that_episode_alone():
    policy, seeds = small_policy("diffusion"), [TEST.start, TEST.start + 1, TEST.start + 16, TEST.start + 17]
    clean = evaluate(policy, "pick", seeds, workers=1, progress=False)
    act, bad = policy.act, clean.episodes[1].instruction
    raising = [e.instruction == bad for e in clean.episodes]
    assert 1 <= sum(raising) < len(seeds)

    def picky(observation, generators, **options):
        if bad in observation.instruction:
            raise KeyError(bad)
        return act(observation, generators, **options)

    policy.act = picky  # pyright: ignore[reportAttributeAccessIssue]
    found = evaluate(policy, "pick", seeds, workers=1, progress=False, condition="blank_image")
    policy.act = act
    clean = evaluate(policy, "pick", seeds, workers=1, progress=False, condition="blank_image")
    for raised, episode, other in zip(raising, found.episodes, clean.episodes, strict=True):
        if raised:
            assert (episode.outcome, episode.steps) == ("error", 0)
            assert "in picky" in str(episode.traceback)
            assert str(episode.error).startswith("KeyError: ")
        else:
            assert episode == other


def test_what_the_machine_lacks_is_no_result_of_the_episode(rig):
    folder = rig(lacks=(1,))
    result = evaluate("expert", "rigged.faulty", [0, 1, 2], workers=1, progress=False)
    assert [e.outcome for e in result.episodes] == ["success", "missing", "success"]
    assert len(list(folder.iterdir())) == 1 + TRIES


def test_finished_episodes_are_kept_while_others_are_played(rig, monkeypatch):
    rig()
    monkeypatch.setattr("vlasandbox.eval.rollout.evaluate.KEEP_EVERY", 0.0)
    kept = []
    evaluate("expert", "rigged.faulty", range(3), workers=1, progress=False, keep=kept.append)
    assert [[e.seed for e in result.episodes] for result in kept] == [[0], [0, 1], [0, 1, 2]]


@pytest.mark.parametrize("way", ["Ctrl-C", "kill -9"])
def test_no_process_survives_the_evaluation(rig, tmp_path, way):
    folder = rig(hangs=(1, 2))  # both processes are busy when the end comes
    script = tmp_path / "script.py"  # without the usual guard: no worker imports it
    script.write_text(
        "from vlasandbox.eval.rollout.evaluate import evaluate\n"
        "evaluate('expert', 'rigged.faulty', range(100_000), workers=2, progress=False)\n"
    )
    env = os.environ | {"PYTHONPATH": str(tmp_path / "packages")}
    process = subprocess.Popen([sys.executable, str(script)], env=env, stderr=subprocess.PIPE)
    try:
        assert wait_until(lambda: len(list(folder.iterdir())) == 2, 60)
        process.send_signal(signal.SIGINT if way == "Ctrl-C" else signal.SIGKILL)
        process.wait(60)
    finally:
        process.kill()
    pids = [int(path.name) for path in folder.iterdir()]
    assert wait_until(lambda: not any(map(alive, pids)), 10)
    if way == "Ctrl-C":
        assert process.stderr is not None
        assert process.stderr.read().decode().strip().endswith("KeyboardInterrupt")


def test_ctrl_c_keeps_what_was_finished(rig, monkeypatch):
    rig(hangs=(7,))
    add, kept = EpisodeCollector.add, []

    def interrupting(self, *episode):
        add(self, *episode)
        if len(self.finished(range(8))) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(EpisodeCollector, "add", interrupting)
    with pytest.raises(KeyboardInterrupt):
        evaluate("expert", "rigged.faulty", range(8), workers=1, progress=False, keep=kept.append)
    (result,) = kept
    assert [(e.seed, e.outcome) for e in result.episodes][:5] == [(seed, "success") for seed in range(5)]
    assert result.wall_seconds > 0


@pytest.mark.parametrize("number", [1, 2])
def test_ctrl_c_while_the_threads_are_being_started_ends_everything(rig, monkeypatch, number):
    folder = rig(hangs=(0, 1))
    start, starts = ThreadPoolExecutor.submit, iter(range(1, 3))

    def interrupted(pool, body):
        future = start(pool, body)
        if next(starts) == number:
            raise KeyboardInterrupt
        return future

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate("expert", "rigged.faulty", range(4), workers=2, progress=False)
    assert not any(alive(int(path.name)) for path in folder.iterdir())


def test_a_process_that_dies_just_before_the_end_gets_no_successor(rig, monkeypatch):
    folder = rig(kills=(0,))
    lanes = LaneSettings(EnvConfig("rigged.faulty", cameras=()), expert=True)
    process = WorkerProcess(SERVICE, lanes.to_json())
    how_it_died = process._how_it_died
    monkeypatch.setattr(process, "_how_it_died", lambda: (process.stop(), how_it_died())[1])
    process.ready()
    with pytest.raises(StoppedError):
        LanePlayer(process, {0: [0, 1]}, lambda episode, record: None).advance({})
    process.close()
    assert len(list(folder.iterdir())) == 1


def test_mistakes_are_told_before_anything_runs():
    policy = small_policy("regression")
    with pytest.raises(ValueError, match=r"unknown task 'pik'; valid: .*pick"):
        evaluate("expert", "pik", [0], progress=False)
    for seeds in ([], [1, 1], [-1]):
        with pytest.raises(ValueError, match="seeds must be distinct"):
            evaluate("expert", "pick", seeds, progress=False)
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        evaluate("expert", "pick", [0], workers=0, progress=False)
    with pytest.raises(ValueError, match=f"at most the chunk length {CHUNK}, got 9"):
        evaluate(policy, "pick", [0], execution=Execution(9), progress=False)
    with pytest.raises(ValueError, match="unknown camera 'left'"):
        evaluate(small_policy("regression", cameras=("front", "left")), "pick", [0], progress=False)


def test_the_environment_renders_images_of_the_size_that_the_policy_was_trained_on():
    policy = small_policy("regression", image_size=40)
    act, seen = policy.act, set()

    def watched(observation, generators, **options):
        seen.add(observation.images.shape[2:4])
        return act(observation, generators, **options)

    policy.act = watched  # pyright: ignore[reportAttributeAccessIssue]
    result = evaluate(
        policy, "pick", [TEST.start], workers=1, progress=False, condition="swapped_instruction"
    )
    assert seen == {(40, 40)}
    assert result.spec["image_size"] == 40


def test_a_policy_for_another_robot_is_refused():
    policy = small_policy("regression", state_dim=9)
    with pytest.raises(ValueError, match="state dimensions: policy 9, environment 17"):
        evaluate(policy, "pick", [0], workers=1, progress=False)


def test_answers_that_come_late_are_executed_late_and_may_go_on_from_the_last():
    policy, gaps = small_policy("flow"), []
    for guided in (False, True):
        execution = Execution(3, 2, rtc=guided)
        result = evaluate(policy, "pick", [TEST.start], workers=1, execution=execution, progress=False)
        episode = result.episodes[0]
        assert result.execution == execution
        assert episode.actions is not None
        (_, first), (step, second) = episode.chunks[:2]
        assert step == 3
        assert np.array_equal(episode.actions[:3], first[:3])
        assert np.array_equal(episode.actions[3:5], first[3:5])
        assert np.array_equal(episode.actions[5], second[2])
        gaps.append(np.abs(second[:2] - first[3:5]).mean())
    assert gaps[1] < 0.6 * gaps[0], "what is executed meanwhile is near to what the new chunk begins with"


def test_a_robot_that_waits_stands_still_and_then_executes_the_whole_answer():
    policy, execution = small_policy("regression"), Execution(3, 5, blocking=True)
    result = evaluate(policy, "pick", [TEST.start], workers=1, execution=execution, progress=False)
    episode = result.episodes[0]
    assert episode.actions is not None
    assert episode.path is not None
    (_, first), (step, second) = episode.chunks[:2]
    assert step == 3
    assert np.array_equal(episode.actions[:3], first[:3])
    np.testing.assert_allclose(episode.actions[3:8, :4], 0, atol=1e-6)
    assert np.ptp(np.sign(episode.actions[2:8, 4])) == 0, "the gripper stays as it is"
    assert np.array_equal(episode.actions[8:11], second[:3])
    assert np.linalg.norm(episode.path[7] - episode.path[5]) < 1e-3


def test_a_saved_policy_is_sampled_as_asked(tmp_path):
    small_policy("flow").save(tmp_path / "policy")
    result = evaluate(tmp_path / "policy", "pick", [TEST.start], sampling="steps=2", progress=False)
    assert (result.evaluations, result.sampling) == (2, "steps=2")
    with pytest.raises(ValueError, match="sampling 'steps=2' is for a policy's folder"):
        evaluate(small_policy("flow"), "pick", [TEST.start], sampling="steps=2", progress=False)


def test_a_head_that_cannot_go_on_from_a_chunk_is_refused():
    with pytest.raises(ValueError, match="head Regression cannot continue"):
        evaluate(small_policy("regression"), "pick", [0], execution=Execution(rtc=True), progress=False)
