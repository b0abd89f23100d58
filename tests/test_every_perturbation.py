"""What every perturbation axis must satisfy: exactly one factor changes, by as much as its level says."""

import functools
from typing import Any

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.common.registry import camel_case
from vlasandbox.envs import perturb, tasks
from vlasandbox.envs.demonstrations import collect_episode
from vlasandbox.envs.gl import mujoco
from vlasandbox.envs.language import Wording
from vlasandbox.envs.perturbation import LEVELS, movable_bodies, object_geoms
from vlasandbox.envs.perturbation_set import PerturbationSet
from vlasandbox.envs.tasks.pick import _lift
from vlasandbox.envs.tasks.trace import Trace
from vlasandbox.train.perturbed_tasks import check_perturbed_tasks

pytestmark = pytest.mark.slow

AXES = perturb.names()
OF_OBJECTS = {"mass", "object_colour", "object_shape", "object_size"}
SEEDS = range(6)
STILL = 1e-4
"""What settles this near to where it was has not moved [m, rad]."""


@pytest.fixture(scope="module")
def nominal():
    env = envs.make("pick", image_size=32)
    yield env
    env.close()


@pytest.fixture(scope="module", params=AXES)
def perturbed(request):
    env = envs.make("pick", image_size=32, perturb=f"{request.param}=5")
    yield env
    env.close()


def _axis(env) -> Any:
    ((_, axis),) = env.perturbation._members.items()
    return axis


def _first(env, seed: int) -> dict[str, Any]:
    observation, _ = env.reset(seed=seed)
    pixels = np.stack(list(observation["pixels"].values()))
    parts = {"images": pixels, "state": observation["agent_pos"], "physics": env.physics_state()}
    return parts | {"instruction": observation["instruction"]}


@pytest.fixture(scope="module")
def unperturbed():
    """First observations, scenarios and the model of a task."""

    @functools.cache
    def of(task: str) -> tuple[list[dict[str, Any]], list[Any], Any]:
        env = envs.make(task, image_size=32)
        found = [(_first(env, seed), env.scenario) for seed in SEEDS[:3]]
        env.close()
        return [first for first, _ in found], [scenario for _, scenario in found], env.model

    return of


def _differ(name: str, before: Any, after: Any) -> bool:
    if name in ("state", "physics"):
        return not np.allclose(before, after, rtol=0.0, atol=STILL)
    return not np.array_equal(before, after)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("task", tasks.names())
def test_exactly_what_the_axis_says_differs_at_the_start_or_it_is_refused(task, axis, unperturbed):
    nominal, scenarios, model = unperturbed(task)
    objects = len(movable_bodies(model)) > 0
    if (axis, task) == ("distractors", "handover") or (axis in OF_OBJECTS and not objects):
        with pytest.raises(ValueError, match=f"perturbation '{axis}': {camel_case(task)} has no "):
            envs.make(task, image_size=8, perturb=f"{axis}=5")
        return
    env = envs.make(task, image_size=32, perturb=f"{axis}=5")
    changed: set[str] = set()
    for seed, before, scenario in zip(SEEDS, nominal, scenarios, strict=False):
        after = _first(env, seed)
        assert env.scenario.asked == scenario.asked
        if (axis, task) != ("object_range", "spatial"):  # what else is possible depends on the places
            assert env.scenario.swapped == scenario.swapped
        changed |= {name for name in before if _differ(name, before[name], after[name])}
    expected = set(_axis(env).affects)
    if not objects and "state" not in expected:  # nothing in the simulator's state but the robot
        expected -= {"physics"}
    assert changed == expected
    env.close()


def test_no_other_number_of_the_model_changes(nominal, perturbed):
    if perturbed.model.nbody != nominal.model.nbody:
        pytest.skip("the model has bodies of its own; the observation test covers it")
    fields = set(_axis(perturbed).fields)
    for seed in SEEDS:
        nominal.reset(seed=seed)
        perturbed.reset(seed=seed)
        for name in dir(nominal.model):
            before, after = getattr(nominal.model, name), getattr(perturbed.model, name)
            if name.startswith("_") or not isinstance(before, np.ndarray) or before.shape != after.shape:
                continue
            if name not in fields:
                assert np.array_equal(before, after), name


def test_a_perturbed_episode_depends_on_its_seed_alone(perturbed):
    alone = _first(perturbed, 3)
    _first(perturbed, 4)
    again = _first(perturbed, 3)
    assert all(np.array_equal(alone[name], again[name]) for name in alone)


@pytest.mark.parametrize("axis", AXES)
def test_levels_are_checked_and_off_is_off(axis, nominal):
    for level in (LEVELS.stop, -1, "high"):
        with pytest.raises(ValueError, match="has no valid level"):
            envs.make("pick", image_size=8, perturb=f"{axis}={level}")
    with pytest.raises(ValueError, match="given twice"):
        envs.make("pick", image_size=8, perturb=f"{axis}=1,{axis}=2")


@pytest.mark.parametrize("axis", [axis for axis in AXES if axis != "distractors"])
def test_a_range_of_levels_contains_nominal_episodes(axis, nominal):
    env = envs.make("pick", image_size=32, perturb=f"{axis}=0-1")
    same = 0
    for seed in range(8):
        env.reset(seed=seed)
        if not env.perturbation._active:
            same += 1
            before, after = _first(nominal, seed), _first(env, seed)
            assert all(np.array_equal(before[name], after[name]) for name in before)
    assert 0 < same < 8
    env.close()


def test_the_background_is_also_what_is_seen_beyond_the_table():
    plain, other = (envs.make("pick", image_size=8, perturb=text) for text in ("", "background=5"))
    for seed in SEEDS:
        for env in (plain, other):
            env.reset(seed=seed)
        before, after = (env.render_frame("overview", 32, 32, "fast").astype(int) for env in (plain, other))
        sky = before[:, :, 2] - before[:, :, 0] > 15
        below_horizon = np.abs(after - before)[sky].max(axis=1) > 10
        assert 0.05 < below_horizon.mean() < 0.5
    plain.close()
    other.close()


def test_every_way_in_which_it_may_put_an_instruction_is_known():
    plain, held_out = Wording.of("plain"), Wording.of("held_out")
    assert PerturbationSet("camera=3").wordings(plain) == {plain}
    assert PerturbationSet("paraphrase=5,light=1").wordings(plain) == {plain, held_out}
    assert len(PerturbationSet("paraphrase=0-5").wordings(plain)) == 6


def test_what_tasks_lack_is_told_before_the_first_of_them():
    check_perturbed_tasks("light=1", tasks.names())
    with pytest.raises(
        ValueError, match=r"'mass': Drawer has no .*'mass': Trace has .*; all .* in pick\+sort"
    ):
        check_perturbed_tasks("light=1,mass=0-3", ["pick", "drawer", "sort", "trace"])


def test_an_unknown_axis_is_named():
    with pytest.raises(ValueError, match="unknown perturbation 'fog'; valid: action_delay"):
        envs.make("pick", image_size=8, perturb="fog=1")


def test_a_delayed_observation_is_the_one_of_so_many_steps_ago(nominal):
    env = envs.make("pick", image_size=32, perturb="observation_delay=2")
    seen, late = [], []
    for environment, into in ((nominal, seen), (env, late)):
        observation, _ = environment.reset(seed=1)
        into.append(observation)
        for _ in range(5):
            into.append(environment.step(np.array([0.02, 0.01, -0.01, 0.05, 1.0]))[0])
    for now, old in zip(late[2:], seen, strict=False):
        assert np.array_equal(now["agent_pos"], old["agent_pos"])
        assert np.array_equal(now["pixels"]["front"], old["pixels"]["front"])
    assert np.array_equal(late[1]["agent_pos"], seen[0]["agent_pos"])
    env.close()


def test_a_delayed_action_is_executed_so_many_steps_later(nominal):
    env = envs.make("pick", image_size=8, perturb="action_delay=3")
    actions = np.random.default_rng(0).uniform(-0.02, 0.02, size=(8, 5))
    moved = []
    for environment in (nominal, env):
        environment.reset(seed=1)
        moved.append([environment.step(action)[0]["agent_pos"] for action in actions])
    assert np.abs(moved[1][2] - env.reset(seed=1)[0]["agent_pos"]).max() < 1e-3
    assert np.allclose(moved[1][3:], moved[0][:5], atol=2e-3)
    env.close()


@pytest.mark.parametrize("axis", ["object_size", "object_shape", "mass", "friction", "gains", "robot_start"])
def test_physics_stays_sane_at_the_highest_level(axis):
    """The expert sees the true state: what breaks its grasps is physics that does not fit together."""
    env = envs.make("pick", image_size=8, perturb=f"{axis}=5")
    expert, successes = env.definition.expert(), 0
    for seed in range(1_000_000, 1_000_012):
        env.reset(seed=seed)
        done, info = False, {}
        while not done:
            *_, terminated, truncated, info = env.step(expert.act(env))
            done = terminated or truncated
        successes += info["is_success"]
    env.close()
    assert successes >= 11


@pytest.mark.parametrize("task", ["pick", "place", "sort", "push_t", "detour", "drawer", "trace"])
def test_distractors_stand_on_the_table_apart_from_everything(task):
    env = envs.make(task, image_size=8, perturb="distractors=5")
    bodies = [mujoco.mj_name2id(env.model, mujoco.mjtObj.mjOBJ_BODY, f"distractor_{i}") for i in range(5)]
    for seed in SEEDS:
        env.reset(seed=seed)
        shown = [int(env.model.body_geomadr[body]) for body in bodies if env.data.xpos[body, 2] > 0]
        assert shown
        pixels = env.project(env.data.xpos[bodies][env.data.xpos[bodies, 2] > 0], "front", 100, 100)
        assert 0 < pixels.min() < pixels.max() < 100
        arm = env.model.body_rootid[env.model.site_bodyid[env.world.robot.site]]
        others = np.flatnonzero(
            (env.model.body_rootid[env.model.geom_bodyid] != arm)
            & (env.model.geom_rbound > 0) & (env.model.geom_rgba[:, 3] > 0)
        )  # fmt: skip
        for geom in shown:
            apart = [
                mujoco.mj_geomDistance(env.model, env.data, geom, other, 1.0, None)
                for other in others if other != geom and env.data.geom_xpos[other, 2] > -0.5
            ]  # fmt: skip
            assert min(apart) > 0.04
    env.close()


@pytest.mark.parametrize("task", [task for task in tasks.names() if not tasks.task_class(task).crowded])
def test_distractors_do_not_stand_in_the_way(task):
    env = envs.make(task, image_size=8, perturb="distractors=5")
    assert all(collect_episode(env, seed).success for seed in (1_000_000, 1_000_003))
    env.close()


def test_what_lies_in_a_larger_area_is_what_lay_in_the_smaller_one():
    nominal, wider = (envs.make("sort", image_size=8, perturb=text) for text in ("", "object_range=5"))
    moved = []
    for seed in SEEDS:
        for env in (nominal, wider):
            env.reset(seed=seed)
        assert np.array_equal(nominal.model.geom_rgba, wider.model.geom_rgba)
        assert nominal.scenario.swapped == wider.scenario.swapped
        trays = [*nominal.scenario.trays.values()]
        assert np.array_equal(nominal.model.body_pos[trays], wider.model.body_pos[trays])
        bodies = movable_bodies(nominal.model)
        moved.append(np.abs(nominal.data.xpos[bodies] - wider.data.xpos[bodies])[:, :2].max())
    assert min(moved) > 0.01
    for env in (nominal, wider):
        env.close()


@pytest.mark.parametrize("task", ["pick", "push_t", "insert_peg", "detour"])
def test_objects_of_another_mass_fall_as_fast(task):
    env = envs.make(task, image_size=8, perturb="mass=5")
    env.reset(seed=0)
    dofs = env.model.body_dofadr[movable_bodies(env.model)]
    env.data.qpos[env.model.jnt_qposadr[env.model.dof_jntid[dofs]] + 2] += 0.3
    mujoco.mj_forward(env.model, env.data)
    assert np.allclose(env.data.qacc[dofs + 2], -9.81, atol=1e-3)
    env.close()


@pytest.mark.parametrize("axis", ["object_size", "object_shape"])
def test_an_object_of_several_parts_stays_in_one_piece_and_on_the_table(axis):
    env = envs.make("push_t", image_size=8, perturb=f"{axis}=5")
    for seed in SEEDS:
        env.reset(seed=seed)
        bar, stem = object_geoms(env.model)
        apart = np.abs(env.model.geom_pos[bar] - env.model.geom_pos[stem])[:2]
        touching = env.model.geom_size[bar, :2] + env.model.geom_size[stem, :2]
        assert np.isclose(apart, touching).any()
        assert env.data.geom_xpos[bar, 2] == pytest.approx(env.model.geom_size[bar, 2], abs=5e-4)
    env.close()


def test_larger_and_smaller_objects_are_not_lifted_while_they_stand():
    env = envs.make("pick", image_size=8, perturb="object_size=5")
    for seed in SEEDS:
        env.reset(seed=seed)
        assert all(abs(_lift(env.world, int(body))) < 1e-3 for body in movable_bodies(env.model))
    env.close()


def test_labels_of_a_delayed_picture_say_where_things_were():
    now, late = (
        collect_episode(envs.make("pick", image_size=32, perturb=text), 1_000_000)
        for text in ("", "observation_delay=3")
    )
    wrist, age = list(now.images).index("wrist"), 3
    assert np.array_equal(late.images["wrist"][age], now.images["wrist"][0])
    assert np.array_equal(late.target_uv[age], now.target_uv[0])
    assert not np.allclose(now.target_uv[age, wrist], now.target_uv[0, wrist], atol=0.02)


def test_a_delayed_picture_has_the_paint_of_its_time():
    late = envs.make("trace", image_size=32, perturb="observation_delay=5")
    expert, drawn, seen = late.definition.expert(), [], []
    late.reset(seed=0)
    for _ in range(24):
        picture = late.step(expert.act(late))[0]["pixels"]["front"]
        drawn.append(late.render_frame("front", 32, 32, "fast"))
        seen.append(picture)
    age, _ = late.perturbation.delays(late.control_hz)
    assert age > 0
    assert isinstance(late.definition, Trace)
    assert late.definition.visited(late.world) > 5
    assert all(np.array_equal(old, new) for old, new in zip(drawn, seen[age:], strict=False))
    late.close()
