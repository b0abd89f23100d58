"""Package versions that are recorded with what was made, in one place."""

import platform
from importlib.metadata import version

DATASET = ("vlasandbox", "mujoco", "numpy", "gymnasium", "av", "pyarrow")
"""What decides how an episode looks and is stored."""
EVALUATION = ("vlasandbox", "mujoco", "numpy", "torch", "transformers")
"""What decides how an episode ends."""
TRAINING = ("vlasandbox", "torch", "transformers", "diffusers", "numpy", "mujoco")
"""What decides the weights of a policy."""
STUDY = ("torch", "mujoco", "numpy", "transformers", "diffusers")
"""What decides the results of a study as our own code does."""


def recorded_versions(packages: tuple[str, ...], *, python: bool = False) -> dict[str, str]:
    """Version of each package, Python's own first if asked for."""
    return ({"python": platform.python_version()} if python else {}) | {p: version(p) for p in packages}
