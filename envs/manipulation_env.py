"""ManipulationEnv: any Task as a gymnasium environment with pixels, proprioception and an instruction."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from jaxtyping import Float, Float32, Float64, Shaped, UInt8

from ..common.errors import InputError
from ..common.registry import check_name
from . import METADATA, tasks
from .config import EnvConfig
from .control import ActionSpace, command_names
from .controller import Controller
from .gl import mujoco
from .instruction_space import MAX_INSTRUCTION
from .language import COMBINATIONS, Wording
from .perturbation_set import PerturbationSet
from .robot import RobotIndex
from .sensors import STATE_KIND, Sensors, physics_state, refresh
from .snapshot import Snapshot
from .viewer import Viewer
from .world import Scenario, World

HOLD_SECONDS = 0.3
"""Time for which success must last [s], rounded up to control steps."""
SETTLE_SECONDS = 0.25
"""Time simulated before an episode starts, so that it starts at rest [s]."""

Step = tuple[dict[str, Any], float, bool, bool, dict[str, Any]]


class ManipulationEnv(gymnasium.Env):
    """One robot, one task. An episode is a function of its seed and the actions, and of nothing else.

    Observation: {"pixels": {camera: uint8 [h, w, 3]}, "agent_pos": float32 [s], "instruction": str}.
    Reward: the increase of the task's progress. Terminated when success has lasted HOLD_SECONDS or the task
    is lost, truncated at the task's time limit. `info` holds instruction, is_success, progress, stage, mode,
    seed.

    Raises:
        ValueError: an unknown name in the configuration, an impossible control rate or size.
        NoRenderingError: render_mode is "human", and there is no display.
    """

    metadata: dict[str, Any] = METADATA

    def __init__(self, config: EnvConfig, render_mode: str | None = None) -> None:
        self.config = config
        task, control_hz = config.task, config.control_hz
        self.definition = tasks.load(task, config.robot)
        self.robot_name = config.robot or self.definition.default_robot
        self.task = self.task_name = task
        self._wording = Wording.of(config.wording)
        self.combinations = check_name("combinations", config.combinations, COMBINATIONS)
        if self.combinations == "held_out" and not any(m.is_held_out for m in self.definition.meanings()):
            raise InputError(f"task {task!r} holds no combination out: combinations must be all or train")
        if render_mode is not None:
            check_name("render mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        # A whole number where it is one: writers of videos take no other.
        whole = float(control_hz).is_integer()
        self.metadata = {**self.metadata, "render_fps": int(control_hz) if whole else control_hz}
        self.control_hz = control_hz

        self.perturbation = PerturbationSet(config.perturb)
        spec = self.definition.build()
        self.perturbation.edit(spec)
        self.model: mujoco.MjModel = spec.compile()
        self.perturbation.check(self.definition, self.model)
        self.data: mujoco.MjData = mujoco.MjData(self.model)
        robots = self.definition.robots
        self.world = World(self.model, self.data, tuple(RobotIndex.of(arm, self.model) for arm in robots))
        self._controller = Controller(robots, self.model, control_hz)
        self.actions = ActionSpace(config.action_space, tuple(arm.spec for arm in robots), control_hz)
        self.state_names = [name for arm in robots for name in arm.state_names]
        views = self.definition.cameras
        seen = views[:-1] if config.cameras is None else config.cameras
        self._sensors = Sensors(self.model, self.world.robots, views, seen, config.image_size, config.quality)
        self.cameras, self.image_size, self.quality = (
            self._sensors.cameras,
            config.image_size,
            config.quality,
        )
        self._max_episode_steps = round(self.definition.time_limit * control_hz)
        self._hold_steps = math.ceil(HOLD_SECONDS * control_hz - 1e-9)
        self.task_description = ""
        self.is_scored = True
        """Whether success is decided. It is not after a sentence that asks for nothing in the scene: then
        the episode lasts until its time limit, without success and progress."""
        self.extra_steps = 0
        """Control steps that the episode may last beyond the task's time limit; 0 after a reset or another
        instruction."""
        self.on_physics: Callable[[float], None] | None = None
        """Function called several times within each control step, with the fraction of it that is done, up
        to 1: to draw what lies between two steps, or to push things."""
        self._seed = 0
        self._episode: object = None
        """Identity of the present episode, which snapshots share."""
        self._spec: EnvSpec | None = None
        self._viewer = Viewer(self.model) if render_mode == "human" else None

        low, high = self.actions.bounds()
        self.action_space = spaces.Box(low.astype(np.float32), high.astype(np.float32))
        self.observation_space = self._sensors.space(len(self.state_names))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts the episode of `seed` (without one, of a seed drawn from the environment's own generator).

        With options {"instruction": "swapped"} the instruction names another object of the same scene, while
        success and progress stay about the original one. With {"sentence": "pick up the red cube"} it is this
        sentence, and success and progress are about what it asks for (see `is_scored`). Other options are
        other programs' and are ignored.

        Raises:
            ValueError: an unknown instruction, or a sentence without words or too long.
        """
        options = options or {}
        sentence = options.get("sentence")
        if sentence is not None and "instruction" in options:
            raise InputError("reset options instruction and sentence exclude each other")
        if sentence is not None:
            _check_sentence(sentence)
        asked = check_name("instruction", options.get("instruction", "original"), ["original", "swapped"])
        super().reset(seed=seed)
        self._episode = object()
        self._seed = int(self.np_random.integers(2**31)) if seed is None else seed
        mujoco.mj_resetData(self.model, self.data)
        self.perturbation.begin(self.model, self._seed)
        self.scenario: Any = self._draw()
        if (spread := self.perturbation.spread) != 1.0:
            self.scenario = self._draw_wider(spread)
        self.scenario = self.perturbation.scene(self.definition, self.world, self.scenario)
        if sentence is None:
            meaning = self.scenario.swapped if asked == "swapped" else self.scenario.asked
            # Another stream than the scene's, which must not depend on how the instruction is put.
            wording, rng = self.perturbation.wording(self._wording), np.random.default_rng([self._seed, 2])
            self.task_description = self.definition.say(meaning, wording, rng)
            self.is_scored = True
        else:
            self._ask(sentence)
        self._controller.place(self.data, self.scenario.start)
        mujoco.mj_forward(self.model, self.data)
        self._controller.hold(self.data)
        mujoco.mj_step(self.model, self.data, nstep=round(SETTLE_SECONDS / self.model.opt.timestep))
        self.data.qvel[:] = 0.0
        self.data.time = 0.0
        self.set_physics_state(self.physics_state())
        self._show()
        return self._observation(), self._info()

    def step(self, action: np.ndarray) -> Step:
        """Executes one control step of an action [a].

        Raises:
            ValueError: `action` has the wrong shape or is not finite.
        """
        return self.step_block(np.asarray(action)[None])

    def step_block(self, actions: np.ndarray, *, continues: bool = False, render: bool = True) -> Step:
        """Executes up to m control steps of actions [m, a], fewer if the episode ends. Renders once, at the
        end, or, without `render`, not at all: the observation then has no pixels, and a window shows
        nothing.

        Actions of a "relative" space are counted from the command at the start of the block, or, if this one
        `continues` the last, of that. `info` adds "steps", the number done, and "path", float32 [steps, 3 n]:
        where each step left the grippers of the n arms [m, world].

        Raises:
            ValueError: `actions` has the wrong shape or is not finite.
        """
        actions = self._checked(actions)
        if not continues:
            self._origin = self._controller.reference
        reward, path, terminated, truncated = 0.0, [], False, False
        for action in actions:
            reference = self._origin if self.actions.mode == "relative" else self._controller.reference
            command = self._controller.command(self.actions.decode(action, reference), self.actions.kind)
            self._controller.step(self.model, self.data, command, self.on_physics)
            refresh(self.model, self.data)
            self.definition.after_step(self.world, self.scenario)
            self._sensors.note(self.data)
            if render:
                self._show()
            path.append([x for arm in self.world.robots for x in self.data.site_xpos[arm.site].tolist()])
            self._steps += 1
            reward += self._measure()
            terminated = self._held >= self._hold_steps or self._lost
            truncated = not terminated and self._steps >= self._max_episode_steps + self.extra_steps
            if terminated or truncated:
                break
        # Before the pictures: after them, code and data would have to come from memory again.
        info = self._info() | {"steps": len(path), "path": np.array(path, np.float32)}
        return self._observation(render), reward, terminated, truncated, info

    def snapshot(self) -> Snapshot:
        """The present moment of the episode, to which `restore` returns."""
        return Snapshot(
            episode=self._episode,
            data=copy.copy(self.data),
            geom_rgba=self.model.geom_rgba.copy(),
            controller=self._controller.state(),
            past=self._sensors.past(),
            clock=(self._steps, self._held, self._lost, self._progress, self._origin),
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Returns to a moment of the present episode, exactly: what follows is bit for bit what would have
        followed then. A snapshot may be restored any number of times.

        Raises:
            ValueError: the snapshot is of another episode or environment.
        """
        if snapshot.episode is not self._episode:
            raise InputError(
                "the snapshot is of another episode: restore it before the next reset or instruction, in the "
                "environment that it was taken from"
            )
        mujoco.mj_copyData(self.data, self.model, snapshot.data)
        self.model.geom_rgba[:] = snapshot.geom_rgba
        self._controller.restore(snapshot.controller)
        self._sensors.restore(snapshot.past)
        self._steps, self._held, self._lost, self._progress, self._origin = snapshot.clock

    def instruct(self, sentence: str) -> None:
        """Changes the instruction in the scene as it is: success, progress and the time limit start over
        (see `is_scored`).

        Raises:
            ValueError: a sentence without words or too long.
        """
        self._ask(_check_sentence(sentence))
        self._episode = object()  # snapshots know nothing of what is asked
        self._begin_count()

    def continue_from(self, other: "ManipulationEnv") -> None:
        """Continues from the present moment of `other`, which plays the same episode with other settings:
        another action space, rate, cameras or perturbations. To be called after a reset to the same seed;
        whatever only this scene has stays where the reset put it."""
        places = _joints(other.model)
        for key, (joint, width, dofs) in _joints(self.model).items():
            if key in places and places[key][1:] == (width, dofs):
                at, to = places[key][0], joint
                q, p = other.model.jnt_qposadr[at], self.model.jnt_qposadr[to]
                self.data.qpos[p : p + width] = other.data.qpos[q : q + width]
                q, p = other.model.jnt_dofadr[at], self.model.jnt_dofadr[to]
                self.data.qvel[p : p + dofs] = other.data.qvel[q : q + dofs]
        if self.data.ctrl.shape == other.data.ctrl.shape:
            self.data.ctrl[:] = other.data.ctrl
        if self.data.userdata.shape == other.data.userdata.shape:
            self.data.userdata[:] = other.data.userdata
        self.data.time = other.data.time
        mujoco.mj_forward(self.model, self.data)
        self.definition.after_step(self.world, self.scenario)
        observation_delay, action_delay = self.perturbation.delays(self.control_hz)
        self._controller.continue_from(other._controller, action_delay)
        self._sensors.begin(self.data, observation_delay)
        self._origin = self._controller.reference
        if other.task_description != self.task_description:
            self._ask(other.task_description)
        self._begin_count()
        share = self.control_hz / other.control_hz
        self._steps, self.extra_steps = round(other._steps * share), round(other.extra_steps * share)

    def observe(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Observation and `info` of the present moment."""
        return self._observation(), self._info()

    def reference(self) -> Float32[np.ndarray, " r"]:
        """The newest command (see control.py), from which delta actions count."""
        return self._controller.reference.astype(np.float32)

    def goals(self) -> Float[np.ndarray, "n 5"]:
        """[x, y, z (m), yaw (rad), gripper] of the newest command, arm by arm."""
        return self._controller.goals()

    def command_towards(self, goals: Float[np.ndarray, "n 5"]) -> Float[np.ndarray, " r"]:
        """The command that goes as far towards each arm's [x, y, z, yaw, gripper] as one step can."""
        return self._controller.command(self._controller.with_goals(goals), "ee")

    def plan(self, actions: Float[np.ndarray, "m a"]) -> Float[np.ndarray, "m r"]:
        """The commands that `actions` would give, one after the other, from now on. Nothing moves."""
        commands = [self._controller.reference]
        for action in actions.astype(np.float64):
            reference = commands[0] if self.actions.mode == "relative" else commands[-1]
            wanted = self.actions.decode(action, reference)
            commands.append(self._controller.follow(commands[-1], wanted, self.actions.kind))
        return np.array(commands[1:])

    def progress(self) -> float:
        """The task's progress at present, in [0, 1]; 0 where success is not decided."""
        return self._progress

    def stage(self) -> str:
        """Present stage, one of the task's `stages`."""
        task = self.definition
        if not self.is_scored:
            return task.stages[0]
        return task.stages[-1] if self._held else task.stage(self.world, self.scenario)

    def questions(self) -> list[Scenario]:
        """Scenarios for all that can be asked of the present scene, in the task's order."""
        return self.definition.questions(self.world, self.scenario)

    def grounding(self) -> tuple[Float32[np.ndarray, "v 2"], Float32[np.ndarray, " 3"]]:
        """Position of the task's focus: uv per camera, (0, 0) top left to (1, 1), and xyz [m, world]."""
        xyz = np.array(self.definition.focus(self.world, self.scenario))
        uv = [self._sensors.project(self.data, xyz[None], name, 1, 1)[0] for name in self.cameras]
        return np.array(uv, np.float32).reshape(-1, 2), xyz.astype(np.float32)

    def project(
        self, points_w: Shaped[np.ndarray, "n 3"], camera: str, width: int, height: int
    ) -> Float[np.ndarray, "n 2"]:
        """Pixels (x, y) of world points [m] in an image of that size from `render_frame`."""
        return self._sensors.project(self.data, points_w, camera, width, height)

    def render_frame(
        self, camera: str, width: int, height: int, quality: str = "pretty"
    ) -> UInt8[np.ndarray, "h w 3"]:
        """One image of the present state, for people."""
        return self._sensors.frame(self.data, camera, width, height, quality)

    def render(self) -> UInt8[np.ndarray, "h w 3"] | None:  # type: ignore[override]
        """Picture of the whole arm at work, if render_mode is "rgb_array"."""
        if self.render_mode != "rgb_array":
            return None
        return self.render_frame(self.definition.cameras[-1], 480, 480)

    def physics_state(self) -> Float64[np.ndarray, " q"]:
        """MuJoCo's mjSTATE_FULLPHYSICS and mjSTATE_USERDATA."""
        return physics_state(self.model, self.data)

    def set_physics_state(self, state: Float64[np.ndarray, " q"]) -> None:
        """Continues from `state` of the same episode, with the arm's pose there as commanded target.

        `reset` ends with this call, so a stored initial state restarts its episode bit for bit.

        Raises:
            ValueError: the state is of another model.
        """
        size = mujoco.mj_stateSize(self.model, STATE_KIND)
        if state.shape != (size,):
            raise InputError(f"physics state has shape {state.shape}, but this scene's has ({size},)")
        mujoco.mj_resetData(self.model, self.data)
        mujoco.mj_setState(self.model, self.data, state, STATE_KIND)
        mujoco.mj_forward(self.model, self.data)
        self.definition.after_step(self.world, self.scenario)
        observation_delay, action_delay = self.perturbation.delays(self.control_hz)
        self._controller.hold(self.data, action_delay)
        self._sensors.begin(self.data, observation_delay)
        self._origin = self._controller.reference
        self._begin_count()

    def spec_dict(self) -> dict[str, Any]:
        """Meanings of the numbers in observations and actions; JSON-able, stored with data and
        checkpoints."""
        return {
            "task": self.task_name,
            "robot": self.robot_name,
            "action_space": self.actions.to_dict(),
            "command_names": command_names(self.actions.arms),
            "state_names": self.state_names,
            "cameras": list(self.cameras),
            "control_hz": self.control_hz,
            "image_size": self.image_size,
            "quality": self.quality,
            "wording": self.config.wording,
            "combinations": self.combinations,
            "perturb": self.perturbation.text,
            "mujoco": mujoco.__version__,
        }

    def close(self) -> None:
        """Closes the window and frees the OpenGL contexts that no other environment of this process uses."""
        if self._viewer is not None:
            self._viewer.close()
        self._sensors.close()
        super().close()

    @property
    def spec(self) -> EnvSpec | None:  # type: ignore[override]
        """Specification from which gymnasium made this environment, with the time limit in control steps."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:  # type: ignore[override]
        # Not registered: `gymnasium.make` would count a registered limit at any control rate.
        self._spec = spec and replace(spec, max_episode_steps=self._max_episode_steps)

    def _show(self) -> None:
        if self._viewer is not None:
            self._viewer.show(self.data, 1 / self.control_hz)

    def _checked(self, actions: np.ndarray) -> Float64[np.ndarray, "m a"]:
        array = np.asarray(actions, dtype=np.float64)
        if array.ndim != 2 or array.shape[1:] != self.action_space.shape or len(array) == 0:
            dims = self.actions.dims
            raise InputError(
                f"action of shape {array.shape[1:]} in a block of {array.shape[:1]}; "
                f"{self.actions.name} actions have shape ({len(dims)},): {', '.join(dims)}"
            )
        if not all(map(math.isfinite, array.flat)):
            raise InputError(f"action {array[~np.isfinite(array).all(axis=1)][0].tolist()} is not finite")
        return array

    def _ask(self, sentence: str) -> None:
        """Makes `sentence` the instruction, and judges by what it asks for in this scene."""
        self.task_description = sentence
        understood = self.definition.understand(self.world, self.scenario, sentence)
        self.scenario, self.is_scored = understood or self.scenario, understood is not None

    def _begin_count(self) -> None:
        self._steps = self._held = self.extra_steps = 0
        self._lost = False
        self._progress = 0.0
        self._measure()

    def _draw(self, spread: float = 1.0) -> Scenario:
        """The first scene of the seed that asks for an allowed combination."""
        rng = np.random.default_rng(self._seed)
        self.world = replace(self.world, spread=spread)
        while True:
            scenario = self.definition.reset(self.world, rng)
            if self.combinations in ("all", "held_out" if scenario.asked.is_held_out else "train"):
                return scenario

    def _draw_wider(self, spread: float) -> Scenario:
        """Draws the same scene with its objects in a larger area."""
        nominal, wider = self.scenario, self._draw(spread)
        if wider.asked != nominal.asked:
            raise InputError(
                f"task {self.task_name!r} asks for something else where its objects lie in a larger area: "
                "what takes several tries must be drawn by spawn.sample_spread"
            )
        # Some arms wait where the objects are.
        return replace(wider, start=nominal.start)

    def _measure(self) -> float:
        """Updates success, loss and progress; returns the increase of progress."""
        if not self.is_scored:
            return 0.0
        task, state, before = self.definition, (self.world, self.scenario), self._progress
        self._held = self._held + 1 if task.is_success(*state) else 0
        self._lost = task.has_failed(*state)
        self._progress = 1.0 if self._held else task.progress(*state)
        return self._progress - before

    def _observation(self, render: bool = True) -> dict[str, Any]:
        seen = self._sensors.observe(self.data, render=render)
        observation = seen | {"instruction": self.task_description}
        return self.perturbation.observe(observation, self._steps)

    def _info(self) -> dict[str, Any]:
        return {
            "instruction": self.task_description,
            "is_success": self._held >= self._hold_steps,
            "progress": self._progress,
            "stage": self.stage(),
            "mode": self.definition.mode(self.world, self.scenario),
            "seed": self._seed,
        }


def _check_sentence(sentence: str) -> str:
    if not 0 < len(sentence.strip()) <= MAX_INSTRUCTION:
        raise InputError(f"a sentence has 1 to {MAX_INSTRUCTION} characters, got {sentence[:60]!r}")
    return sentence


def _joints(model: Any) -> dict[tuple[str, int], tuple[int, int, int]]:
    """Number, positions and degrees of freedom of each joint, by the name of its body and its place there."""
    found: dict[tuple[str, int], tuple[int, int, int]] = {}
    for joint in range(model.njnt):
        body = model.jnt_bodyid[joint]
        free = model.jnt_type[joint] == int(mujoco.mjtJoint.mjJNT_FREE)
        ball = model.jnt_type[joint] == int(mujoco.mjtJoint.mjJNT_BALL)
        key = (model.body(body).name, joint - int(model.body_jntadr[body]))
        found[key] = (joint, 7, 6) if free else (joint, 4, 3) if ball else (joint, 1, 1)
    return found
