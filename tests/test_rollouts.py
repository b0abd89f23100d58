"""Rollouts to learn from: what is recorded of a policy's episodes, who labels them and who takes over."""

from functools import cache

import numpy as np
import pytest
from small_policies import small_policy

from vlasandbox.envs.config import EnvConfig
from vlasandbox.envs.episode import SOURCES, Episode
from vlasandbox.envs.rollout import RolloutPlan
from vlasandbox.envs.seeds import ROLLOUTS, scene_of, trial
from vlasandbox.eval.rollout.evaluate import evaluate
from vlasandbox.eval.rollout.rollouts import play_rollouts

SEEDS = list(ROLLOUTS[:4])
EXPERT, POLICY = map(SOURCES.index, ("expert", "policy"))


def played(plan: RolloutPlan, trials: list[int], workers: int = 1) -> dict[int, Episode]:
    found: dict[int, Episode] = {}

    def take(result, episode) -> None:
        assert result.error is None
        assert (result.outcome == "success") == episode.success
        found[result.seed] = episode

    policy = small_policy("flow", image_size=32)
    play_rollouts(policy, EnvConfig(), trials, plan, take, workers=workers, progress=False)
    return found


@cache
def taken_over() -> dict[int, Episode]:
    return played(RolloutPlan("expert", drives=(0, 3)), SEEDS)


def test_a_take_over_ends_in_success_and_says_who_drove():
    episodes = taken_over()
    assert sorted(episodes) == SEEDS
    driven = set()
    for episode in episodes.values():
        rows = episode.rollout
        assert rows is not None
        assert episode.success
        assert np.array_equal(episode.perturbed, rows.source == POLICY)
        by_policy = int((rows.source == POLICY).sum())
        assert np.array_equal(rows.source, [POLICY] * by_policy + [EXPERT] * (len(episode) - by_policy))
        driven.add(by_policy)
        assert rows.progress[0] + rows.reward.sum() == pytest.approx(1.0, abs=1e-5)
        assert rows.chunk is None
    assert driven <= {0, 4, 8, 12}
    assert len(driven) > 1


def test_the_record_does_not_depend_on_the_number_of_workers_or_on_the_other_trials():
    whole, parts = taken_over(), played(RolloutPlan("expert", drives=(0, 3)), SEEDS[1:], workers=2)
    for seed, episode in parts.items():
        assert np.array_equal(episode.action, whole[seed].action)
        assert np.array_equal(episode.images["front"], whole[seed].images["front"])


def test_a_policy_that_drives_alone_is_recorded_with_its_own_actions():
    numbers = [trial(SEEDS[0]), trial(SEEDS[0], 1)]
    episodes = played(RolloutPlan(max_steps=10), numbers)
    first, second = (episodes[number] for number in numbers)
    evaluated = evaluate(small_policy("flow", image_size=32), "pick", [SEEDS[0]], workers=1, progress=False)
    executed = evaluated.episodes[0].actions
    assert executed is not None
    assert len(first) == 10
    # What was asked for beyond an arm's reach is recorded as what was done.
    assert np.array_equal(np.sign(first.action[:, -1]), np.where(executed[:10, -1] > 0, 1.0, -1.0))
    done = np.abs(first.action[:, :4] - executed[:10, :4]).max(axis=1) < 1e-6
    assert done.any()
    assert (
        np.linalg.norm(first.action[:, :3], axis=1) <= np.linalg.norm(executed[:10, :3], axis=1) + 1e-6
    ).all()
    assert np.array_equal(first.initial_state, second.initial_state)
    assert not np.array_equal(first.action, second.action)
    assert not first.perturbed.any()


def test_the_expert_answers_wherever_the_policy_is_asked():
    episode = played(RolloutPlan("expert", chunk=8, max_steps=10), SEEDS[:1])[SEEDS[0]]
    rows = episode.rollout
    assert rows is not None
    assert rows.chunk is not None
    assert rows.chunk_steps is not None
    assert rows.chunk.shape == (10, 8, episode.command.shape[1])
    assert np.array_equal(np.flatnonzero(rows.chunk_steps), [0, 4, 8])
    asked = rows.chunk_steps > 0
    assert np.array_equal(rows.chunk[asked, 0], episode.command[asked])
    assert (rows.source == POLICY).all()
    assert episode.perturbed.all()


def test_the_expert_takes_over_from_a_policy_that_gets_nowhere():
    episode = played(RolloutPlan("expert", patience=8), SEEDS[:1])[SEEDS[0]]
    assert episode.rollout is not None
    assert episode.success
    assert EXPERT in episode.rollout.source
    assert POLICY in episode.rollout.source[:8]


def test_trials_are_numbers_of_seeds_and_attempts():
    assert trial(7) == 7
    assert scene_of(trial(7, 3)) == (7, 3)
    with pytest.raises(ValueError, match="attempt at least 0"):
        trial(7, -1)
