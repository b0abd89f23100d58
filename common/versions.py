"""Package versions that are recorded with what was made, in one place."""

import platform
from importlib.metadata import version

DATASET = ("vlasandbox", "mujoco", "numpy", "gymnasium", "av", "pyarrow")
"""Packages that determine how an episode looks and is stored."""
EVALUATION = ("vlasandbox", "mujoco", "numpy", "torch", "transformers")
"""Packages that determine how an episode ends."""
TRAINING = ("vlasandbox", "torch", "transformers", "diffusers", "numpy", "mujoco")
"""Packages that determine the weights of a policy."""
STUDY = ("torch", "mujoco", "numpy", "transformers", "diffusers")
"""Packages that determine the results of a study, besides our own code."""


def recorded_versions(packages: tuple[str, ...], *, python: bool = False) -> dict[str, str]:
    """Version of each package, Python's own first if asked for."""
    return ({"python": platform.python_version()} if python else {}) | {p: version(p) for p in packages}
