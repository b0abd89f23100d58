"""The checks behind `vla doctor`: each says what it saw and, if something is wrong, its cure."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from ..envs.simulation.pool import usable_cores
from . import catalog

GL_CURE = "sudo apt-get install -y --no-install-recommends libegl1 libgl1"
MIN_DISK_GB = 2.0
MIN_FPS = 50.0


@dataclass(frozen=True)
class Check:
    """Result of one check."""

    name: str
    status: Literal["ok", "warn", "fail"]
    value: str
    """Observed value, in a few words."""
    cure: str = ""
    """Fix in one line; empty if there is nothing to fix."""


def python() -> Check:
    """Interpreter version; pip refuses to install us where it is too old."""
    return Check("python", "ok", f"{platform.python_version()} ({sys.executable})")


def packages() -> Check:
    """Direct dependencies: present and in range (else broken), and the tested versions (else a warning)."""
    wanted = [Requirement(line) for line in metadata.requires("vlasandbox") or []]
    wanted = [r for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})]
    tested = _pins(catalog.ROOT / "constraints.txt")
    seen, broken, other = [], [], []
    for requirement in wanted:
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            broken.append(f"{requirement.name} is missing")
            continue
        seen.append(f"{requirement.name} {version}")
        pin = tested.get(requirement.name)
        if not requirement.specifier.contains(version, prereleases=True):
            broken.append(f"{requirement.name} {version} is not {requirement.specifier}")
        elif pin and version.split("+")[0] != pin:
            other.append(f"{requirement.name} {version}, tested with {pin}")
    if broken:
        return Check("packages", "fail", "; ".join(broken), "pip install -c constraints.txt -e .")
    if other:
        return Check("packages", "warn", "; ".join(other), "pip install -c constraints.txt -e .")
    return Check("packages", "ok", ", ".join(seen))


def _pins(constraints: Path) -> dict[str, str]:
    """Name -> version of a constraints file; empty where it is not there (an installed wheel)."""
    if not constraints.exists():
        return {}
    lines = constraints.read_text().splitlines()
    return dict(line.strip().split("==", 1) for line in lines if "==" in line and not line.startswith("#"))


def rendering(*, fps: bool = True) -> list[Check]:
    """GL backend and renderer, and with `fps` the speed of the pick environment; both in a child process."""
    command = [sys.executable, "-P", "-m", "vlasandbox.train.gl_probe", *(["fps"] if fps else [])]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return [Check("rendering", "fail", "the GL probe did not answer within 120 s", _gl_cure())]
    if child.returncode != 0:
        lines = [line for line in child.stderr.strip().splitlines() if line.strip()]
        said = lines[-1].strip() if lines else f"the GL probe died with status {child.returncode}"
        return [Check("rendering", "fail", said, _gl_cure())]
    seen = json.loads(child.stdout.strip().splitlines()[-1])
    checks = [Check("rendering", "ok", f"MUJOCO_GL={seen['backend']}, {seen['renderer']}")]
    if fps:
        slow = seen["fps"] < MIN_FPS
        value = f"{seen['fps']:.0f} control steps/s, two cameras, one process"
        cure = "close other programs; without a GPU MuJoCo renders on the CPU" if slow else ""
        checks.append(Check("pick speed", "warn" if slow else "ok", value, cure))
    return checks


def _gl_cure() -> str:
    backend = os.environ.get("MUJOCO_GL", "")
    if backend not in ("", "egl"):
        return f"unset MUJOCO_GL (it is '{backend}'), or: {GL_CURE}"
    return GL_CURE


def torch() -> Check:
    """Version of torch, and the device that training would use."""
    try:
        import torch as library
    except (ImportError, OSError) as error:
        return Check("torch", "fail", str(error).splitlines()[0], "pip install -c constraints.txt -e .")
    if library.cuda.is_available():
        return Check("torch", "ok", f"{library.__version__}, {library.cuda.get_device_name()}")
    if shutil.which("nvidia-smi"):
        value = f"{library.__version__} sees no GPU though nvidia-smi is installed; training runs on the CPU"
        return Check("torch", "warn", value, "pip install -c constraints.txt --force-reinstall torch")
    return Check("torch", "ok", f"{library.__version__}, CPU")


def precision() -> Check:
    """Speed of matrix products in both precisions, and the one that training would use."""
    try:
        from . import machine
    except (ImportError, OSError):  # `torch` tells it
        return Check("precision", "warn", "not known without torch")
    choice = machine.choose_precision(machine.choose_device("auto"))
    rates = machine.matrix_rates()
    value = (
        f"{choice.precision}: {choice.reason} (matrix products on one CPU thread: fp32 {rates.fp32:.0f}, "
        f"bf16 {rates.bf16:.0f} GFLOP/s)"
    )
    return Check("precision", "ok", value)


def costs() -> list[Check]:
    """Threads that training would use, and the time that the quickstart would take, both by trying."""
    try:
        from . import costs, presets
        from .recording.record import RecordConfig
        from .workflows import quickstart

        alone = presets.load("pick_flow")(Path("data"))
        [trial] = costs.measure([(alone, RecordConfig(Path("data")))], at_once=1).trials.values()
        expected = quickstart.expected()
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        return [Check("quickstart", "warn", f"not measured: {error}")]
    times = ", ".join(f"{1000 * s:.0f} ms on {n}" for n, s in trial.threads.seconds.items())
    return [
        Check(
            "threads",
            "ok",
            f"{trial.threads.number} for a training alone: an update of pick_flow takes {times}",
        ),
        Check("quickstart", "ok", expected),
    ]


def cores() -> Check:
    """Cores this process may use, and whether something else is using them."""
    count, load = usable_cores(), os.getloadavg()[0]
    value = f"{count} cores, load {load:.1f}"
    if load > 0.5 * count:
        return Check("cores", "warn", value, "wait until the machine is quiet: times and latencies suffer")
    return Check("cores", "ok", value)


def disk() -> Check:
    """Free space where runs are written."""
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    value = f"{free:.1f} GB free in {Path.cwd()}"
    if free < MIN_DISK_GB:
        return Check("disk", "warn", value, f"free some: the quickstart needs up to {MIN_DISK_GB:.0f} GB")
    return Check("disk", "ok", value)


CHECKS: tuple[Callable[[], Check | list[Check]], ...] = (
    python, packages, cores, rendering, torch, precision, disk, costs,
)  # fmt: skip
"""Checks in the order in which they are shown; `cores` reads the load of the last minute, before our own
work."""
