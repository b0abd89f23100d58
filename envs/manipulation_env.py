"""ManipulationEnv: any Task as a gymnasium environment with pixels, proprioception and an instruction."""

import string
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import Float, Float32, Float64, Shaped, UInt8

from . import rendering, tasks
from .control import ControlLimits, action_space
from .controller import Controller
from .gl import mujoco
from .names import check_name
from .robot import STATE_NAMES, RobotIndex
from .task import World

HOLD_STEPS = 3
"""Control steps for which success must last."""
SETTLE_SECONDS = 0.25
"""Simulated before an episode starts, so that it starts at rest [s]."""
MAX_INSTRUCTION = 128
"""Longest instruction [characters]."""
STATE_KIND = mujoco.mjtState.mjSTATE_FULLPHYSICS

Step = tuple[dict[str, Any], float, bool, bool, dict[str, Any]]


class ManipulationEnv(gymnasium.Env):
    """One robot, one task. An episode is a function of its seed and the actions, and of nothing else.

    Observation: {"pixels": {camera: uint8 [h, w, 3]}, "agent_pos": float32 [s], "instruction": str}.
    Reward: the increase of the task's progress. Terminated when success has lasted HOLD_STEPS control steps
    or the task is lost, truncated at the task's time limit. `info` holds instruction, is_success, progress,
    stage and seed.

    Raises:
        ValueError: an unknown task, camera, action space or quality, an impossible control rate or size.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self,
        task: str = "pick",
        *,
        action_space: str = "ee_delta",
        control_hz: float = 10.0,
        image_size: int = 96,
        cameras: tuple[str, ...] = ("front", "wrist"),
        quality: str = "fast",
        render_mode: str | None = None,
    ) -> None:
        self.definition = tasks.load(task)
        self.task = self.task_name = task
        self.cameras = tuple(check_name("camera", name, self.definition.cameras) for name in cameras)
        if render_mode is not None:
            check_name("render mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self.metadata = {**self.metadata, "render_fps": control_hz}
        self.quality = check_name("quality", quality, rendering.QUALITIES)
        largest = rendering.QUALITIES[quality].width
        if not (isinstance(image_size, int) and 8 <= image_size <= largest):
            raise ValueError(f"image_size {image_size!r} is not a whole number of pixels from 8 to {largest}")
        self.image_size = image_size
        self.control_hz = control_hz
        self.limits = ControlLimits()

        self.model: Any = self.definition.build().compile()
        self.data: Any = mujoco.MjData(self.model)
        self.world = World(self.model, self.data, RobotIndex.of(self.definition.robot, self.model))
        self._controller = Controller(self.definition.robot, self.model, control_hz, self.limits)
        self.actions = _action_space(action_space, control_hz, self.limits)
        self.action_space_name = action_space
        self._camera_ids = {
            name: mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_CAMERA, name)
            for name in self.definition.cameras
        }
        self._renderers: dict[str, rendering.Renderer] = {}
        self._max_episode_steps = round(self.definition.time_limit * control_hz)
        self.task_description = ""
        self._seed = 0

        self.action_space = spaces.Box(
            np.array(self.actions.low, np.float32), np.array(self.actions.high, np.float32)
        )
        image = spaces.Box(0, 255, (image_size, image_size, 3), np.uint8)
        self.observation_space = spaces.Dict(
            {
                "pixels": spaces.Dict({name: image for name in self.cameras}),
                "agent_pos": spaces.Box(-4.0, 4.0, (len(STATE_NAMES),), np.float32),
                "instruction": spaces.Text(
                    MAX_INSTRUCTION, charset=string.ascii_letters + string.digits + " ,.'-"
                ),
            }
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts the episode of `seed` (without one, of a seed drawn from the environment's own generator).

        With options {"instruction": "swapped"} the instruction names another object of the same scene, while
        success and progress stay about the original one.

        Raises:
            ValueError: an unknown option.
        """
        options = options or {}
        for key in options:
            check_name("reset option", key, ["instruction"])
        wording = check_name("instruction", options.get("instruction", "original"), ["original", "swapped"])
        super().reset(seed=seed)
        self._seed = int(self.np_random.integers(2**31)) if seed is None else seed
        mujoco.mj_resetData(self.model, self.data)
        rng = np.random.default_rng(self._seed)
        self.scenario: Any = self.definition.reset(self.world, rng)
        swapped = wording == "swapped"
        self.task_description = self.scenario.swapped_instruction if swapped else self.scenario.instruction
        self._controller.place(self.data, self.scenario.start)
        mujoco.mj_forward(self.model, self.data)
        self._controller.hold(self.data)
        mujoco.mj_step(self.model, self.data, nstep=round(SETTLE_SECONDS / self.model.opt.timestep))
        self.data.qvel[:] = 0.0
        self.data.time = 0.0
        self.set_physics_state(self.physics_state())
        return self._observation(), self._info()

    def step(self, action: np.ndarray) -> Step:
        """One control step of an action [a].

        Raises:
            ValueError: `action` has the wrong shape or is not finite.
        """
        return self.step_block(np.asarray(action)[None])

    def step_block(self, actions: np.ndarray) -> Step:
        """Up to m control steps of actions [m, a], fewer if the episode ends; renders once, at the end.

        `info` adds "steps", the number done.

        Raises:
            ValueError: `actions` has the wrong shape or is not finite.
        """
        actions = self._checked(actions)
        reward, steps, terminated, truncated = 0.0, 0, False, False
        for action in actions:
            wanted = self.actions.to_target(action, self._controller.reference)
            self._controller.step(self.model, self.data, wanted)
            self._refresh()
            steps += 1
            self._steps += 1
            reward += self._measure()
            terminated = self._held >= HOLD_STEPS or self._lost
            truncated = not terminated and self._steps >= self._max_episode_steps
            if terminated or truncated:
                break
        return self._observation(), reward, terminated, truncated, self._info() | {"steps": steps}

    def reference(self) -> Float32[np.ndarray, " 5"]:
        """The commanded target [x, y, z (m), yaw (rad), gripper] from which relative actions count."""
        return self._controller.reference.astype(np.float32)

    def grounding(self) -> tuple[Float32[np.ndarray, "v 2"], Float32[np.ndarray, " 3"]]:
        """Where the original target is: uv per camera, (0, 0) top left to (1, 1), and xyz [m, base frame]."""
        xyz = self.data.xpos[self.scenario.target]
        uv = [
            rendering.project(self.model, self.data, self._camera_ids[name], xyz[None], 1, 1)[0]
            for name in self.cameras
        ]
        return np.array(uv, np.float32).reshape(-1, 2), xyz.astype(np.float32)

    def project(
        self, points_w: Shaped[np.ndarray, "n 3"], camera: str, width: int, height: int
    ) -> Float[np.ndarray, "n 2"]:
        """Pixels (x, y) of world points [m] in an image of that size from `render_frame`."""
        return rendering.project(self.model, self.data, self._camera_id(camera), points_w, width, height)

    def render_frame(
        self, camera: str, width: int, height: int, quality: str = "pretty"
    ) -> UInt8[np.ndarray, "h w 3"]:
        """One image of the present state, for people."""
        renderer = self._renderer(check_name("quality", quality, rendering.QUALITIES))
        return renderer.render(self.model, self.data, self._camera_id(camera), width, height)

    def render(self) -> UInt8[np.ndarray, "h w 3"] | None:  # type: ignore[override]
        """The whole arm at work, if render_mode is "rgb_array"."""
        return self.render_frame(self.definition.cameras[-1], 480, 480) if self.render_mode else None

    def physics_state(self) -> Float64[np.ndarray, " q"]:
        """MuJoCo's mjSTATE_FULLPHYSICS."""
        state = np.empty(mujoco.mj_stateSize(self.model, STATE_KIND.value))
        mujoco.mj_getState(self.model, self.data, state, STATE_KIND.value)
        return state

    def set_physics_state(self, state: Float64[np.ndarray, " q"]) -> None:
        """Continues from `state` of the same episode, with the arm's pose there as commanded target.

        `reset` ends with this call, so a stored initial state restarts its episode bit for bit.

        Raises:
            ValueError: the state is of another model.
        """
        size = mujoco.mj_stateSize(self.model, STATE_KIND.value)
        if state.shape != (size,):
            raise ValueError(f"physics state has shape {state.shape}, but this scene's has ({size},)")
        mujoco.mj_resetData(self.model, self.data)
        mujoco.mj_setState(self.model, self.data, state, STATE_KIND.value)
        mujoco.mj_forward(self.model, self.data)
        self._controller.hold(self.data)
        self._steps = self._held = 0
        self._lost = False
        self._progress = 0.0
        self._measure()

    def spec_dict(self) -> dict[str, Any]:
        """What the numbers of observations and actions mean; JSON-able, stored with data and checkpoints."""
        return {
            "task": self.task_name,
            "robot": self.definition.robot.name,
            "action_space": self.actions.to_dict(),
            "state_names": list(STATE_NAMES),
            "cameras": list(self.cameras),
            "control_hz": self.control_hz,
            "image_size": self.image_size,
            "quality": self.quality,
            "mujoco": mujoco.__version__,
        }

    def close(self) -> None:
        """Frees the OpenGL contexts that no other environment of this process uses."""
        for renderer in self._renderers.values():
            rendering.release(renderer)
        self._renderers.clear()
        super().close()

    def _checked(self, actions: np.ndarray) -> Float64[np.ndarray, "m a"]:
        array = np.asarray(actions, dtype=np.float64)
        dims = self.actions.dims
        if array.ndim != 2 or array.shape[1] != len(dims) or len(array) == 0:
            raise ValueError(
                f"action of shape {array.shape[1:]} in a block of {array.shape[:1]}; "
                f"{self.action_space_name} actions have shape ({len(dims)},): {', '.join(dims)}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"action {array[~np.isfinite(array).all(axis=1)][0].tolist()} is not finite")
        return array

    def _refresh(self) -> None:
        """Brings positions up to the present state; mj_step leaves them one physics step behind."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def _measure(self) -> float:
        """Updates success, loss and progress; returns the increase of progress."""
        success = self.definition.is_success(self.world, self.scenario)
        self._held = self._held + 1 if success else 0
        self._lost = self.definition.has_failed(self.world, self.scenario)
        before, self._progress = self._progress, self.definition.progress(self.world, self.scenario)
        return self._progress - before

    def _observation(self) -> dict[str, Any]:
        renderer = self._renderer(self.quality)
        size = self.image_size
        pixels = {
            name: renderer.render(self.model, self.data, self._camera_ids[name], size, size)
            for name in self.cameras
        }
        return {
            "pixels": pixels,
            "agent_pos": self.world.robot.state(self.data),
            "instruction": self.task_description,
        }

    def _info(self) -> dict[str, Any]:
        return {
            "instruction": self.task_description,
            "is_success": self._held >= HOLD_STEPS,
            "progress": self._progress,
            "stage": self.definition.stage(self.world, self.scenario),
            "seed": self._seed,
        }

    def _camera_id(self, camera: str) -> int:
        return self._camera_ids[check_name("camera", camera, self._camera_ids)]

    def _renderer(self, quality: str) -> rendering.Renderer:
        if quality not in self._renderers:
            self._renderers[quality] = rendering.acquire(self.model, quality)
        return self._renderers[quality]


_action_space = action_space
