"""The insert_peg task: how much room there is, and what counts as inserted."""

import numpy as np
import pytest
from expert_episodes import act_until

from vlasandbox import envs
from vlasandbox.envs.demonstrations import collect_episode
from vlasandbox.envs.gl import mujoco
from vlasandbox.envs.props.objects import put
from vlasandbox.envs.sensors import refresh
from vlasandbox.envs.tasks.insert_peg import DEPTH, PEG


@pytest.fixture(scope="module")
def env():
    environment = envs.make("insert_peg", image_size=32)
    yield environment
    environment.close()


def _touches_the_hole(env, offset, yaw: float = 0.0) -> bool:
    hole, peg = env.scenario.hole, env.scenario.peg
    put(env.world, peg, env.data.xpos[hole] + [*offset, PEG.height + 0.001], yaw)
    mujoco.mj_forward(env.model, env.data)
    pairs = env.model.geom_bodyid[env.data.contact.geom]
    return bool(((pairs == hole).any(axis=1) & (pairs == peg).any(axis=1)).any())


@pytest.mark.parametrize("clearance", [0.004, 0.002, 0.001, 0.0005])
def test_the_hole_is_wider_than_the_peg_by_the_clearance(clearance):
    env = envs.make(f"insert_peg:clearance={clearance}", image_size=8)
    env.reset(seed=0)
    assert not _touches_the_hole(env, [0.45 * clearance, -0.45 * clearance])
    assert _touches_the_hole(env, [0.55 * clearance, 0.0])
    assert _touches_the_hole(env, [0.0, -0.55 * clearance])
    assert _touches_the_hole(env, [0.0, 0.0], yaw=clearance / PEG.size[0])
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize("hz", [5.0, 50.0])
def test_the_expert_inserts_with_half_a_millimetre_at_any_rate(hz):
    env = envs.make("insert_peg:clearance=0.0005", image_size=8, cameras=(), control_hz=hz)
    assert sum(collect_episode(env, seed).success for seed in range(4)) >= 3
    env.close()


def test_only_a_peg_that_stands_in_the_named_hole_is_inserted(env):
    env.reset(seed=0)
    scenario, definition = env.scenario, env.definition
    for hole, height, expected in (
        (scenario.other, PEG.height, False),
        (scenario.hole, PEG.height + DEPTH, False),
        (scenario.hole, PEG.height + DEPTH / 2, False),
        (scenario.hole, PEG.height, True),
    ):
        put(env.world, scenario.peg, env.data.xpos[hole] + [0.0, 0.0, height])
        refresh(env.model, env.data)
        assert definition.is_success(env.world, scenario) is expected
    put(env.world, scenario.peg, env.data.xpos[scenario.other] + [0.0, 0.0, PEG.height])
    refresh(env.model, env.data)
    assert definition.stage(env.world, scenario) == "wrong_hole"


def test_a_peg_that_is_still_held_is_not_inserted_yet(env):
    env.reset(seed=1)
    act_until(env, lambda: env.definition.stage(env.world, env.scenario) == "entered")
    assert env.scenario.peg in env.world.held()


def test_a_peg_that_lies_rights_itself(env):
    for seed in range(5):
        env.reset(seed=seed)
        peg = env.scenario.peg
        address = env.model.jnt_qposadr[env.model.body_jntadr[peg]]
        env.data.qpos[address + 2 : address + 7] = [0.03, np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0]
        env.step_block(np.tile([0.0, 0.0, 0.0, 0.0, 1.0], (15, 1)))
        assert env.data.xmat[peg, 8] > 0.999


def test_an_impossible_clearance_is_refused():
    with pytest.raises(ValueError, match=r"clearance must be in .* got 0.0"):
        envs.make("insert_peg:clearance=0")
