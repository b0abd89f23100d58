"""What a task may ask of an arm."""

import numpy as np
import pytest
from expert_episodes import act_until

from vlasandbox import envs
from vlasandbox.envs.gl import mujoco


def test_the_lowest_point_of_the_pads_touches_what_they_press_on():
    env = envs.make("push", image_size=8)
    env.reset(seed=0)
    robot, slab = env.world.robot, env.scenario.target
    act_until(env, lambda: slab in env.world.held())
    mujoco.mj_kinematics(env.model, env.data)
    top = env.data.xpos[slab, 2] + env.model.geom_size[env.model.body_geomadr[slab], 2]
    assert robot.lowest(env.model, env.data) == pytest.approx(top, abs=2e-3)
    assert robot.lowest(env.model, env.data) < np.min(env.data.geom_xpos[list(robot.pads), 2])
    env.close()
