"""The pick task: only colour and shape together say which object is meant."""

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs.props.objects import RGBA
from vlasandbox.envs.sensors import refresh


@pytest.fixture(scope="module")
def env():
    environment = envs.make("pick", image_size=64)
    yield environment
    environment.close()


def _objects(env) -> dict[int, tuple[str, str]]:
    """Body -> (colour, shape), read from the model rather than from the task's bookkeeping."""
    found = {}
    for geom in np.flatnonzero(env.model.geom_contype == 1):
        rgba = tuple(np.round(env.model.geom_rgba[geom].astype(float), 3))
        colour = next(name for name, value in RGBA.items() if rgba == value)
        found[int(env.model.geom_bodyid[geom])] = (colour, env.model.geom(geom).name.rsplit("_", 1)[1])
    return found


def test_distractors_share_either_the_colour_or_the_shape_of_the_target(env):
    for seed in range(30):
        env.reset(seed=seed)
        objects = _objects(env)
        assert len(objects) == 3
        colour, shape = objects.pop(env.scenario.target)
        assert env.task_description == f"pick up the {colour} {shape}"
        assert sorted((c == colour, s == shape) for c, s in objects.values()) == [
            (False, True),
            (True, False),
        ]


def test_the_swapped_instruction_names_a_distractor_in_the_scene(env):
    for seed in range(30):
        env.reset(seed=seed)
        objects = _objects(env)
        named = {" ".join(objects[body]) for body in env.scenario.others}
        assert dict(env.scenario.swapped.slots)["object"] in named


def test_every_object_is_asked_for_about_equally_often(env):
    instructions = []
    for seed in range(360):
        env.world.data.qpos[:] = env.model.qpos0
        scenario = env.definition.reset(env.world, np.random.default_rng(seed))
        instructions.append(scenario.asked.slots[0][1])
    names, counts = np.unique(instructions, return_counts=True)
    assert list(names) == sorted(m.slots[0][1] for m in env.definition.meanings())
    assert counts.min() >= 15


def test_objects_start_apart_and_inside_the_workspace(env):
    from vlasandbox.envs.tasks.pick import AREA

    for seed in range(30):
        env.reset(seed=seed)
        bodies = [env.scenario.target, *env.scenario.others]
        centres = env.data.xpos[bodies, :2]
        assert (centres > AREA[0] - 0.002).all()
        assert (centres < AREA[1] + 0.002).all()
        between = np.linalg.norm(centres[:, None] - centres, axis=-1)[~np.eye(3, dtype=bool)]
        assert between.min() > 0.05


def test_lifting_another_object_is_no_success(env):
    env.reset(seed=0)
    target, other = env.scenario.target, env.scenario.others[0]
    for body, height in ((target, 0.2), (other, 0.2)):
        env.data.qpos[env.model.jnt_qposadr[env.model.body_jntadr[body]] + 2] = height
        refresh(env.model, env.data)
        expected = body == target  # first the target alone, then both
        assert env.definition.is_success(env.world, env.scenario) is expected


def test_a_target_that_left_the_table_ends_the_episode_as_a_failure(env):
    env.reset(seed=0)
    address = env.model.jnt_qposadr[env.model.body_jntadr[env.scenario.target]]
    env.data.qpos[address] = 1.2
    _, _, terminated, truncated, info = env.step(np.array([0, 0, 0, 0, 1.0]))
    assert terminated
    assert not truncated
    assert not info["is_success"]
