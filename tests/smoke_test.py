"""Run on an installed wheel, not by pytest: python tests/smoke_test.py SITE, the folder it is installed in.

Everything runs from a folder whose own files carry our packages' names, as every robotics repository has
them.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("common", "envs", "policies", "vision", "train", "eval")
FACE = Path("common") / "vlasandbox"
"""Holds the `__init__.py` of the whole package."""
PACKAGED = Path("policies") / "packaged"
DATA = (PACKAGED, Path("eval") / "report" / "templates")
"""Folders of which the wheel has every file."""
HOSTILE = {
    "train.py": "raise SystemExit('the folder\\'s own train.py ran')",
    "policies.py": "raise SystemExit('the folder\\'s own policies.py ran')",
    "envs/__init__.py": "MINE = True",
}
IMPORTS = """
import pathlib, sys
import vlasandbox, vlasandbox.envs, vlasandbox.vision, vlasandbox.eval
import vlasandbox.train.cli, vlasandbox.policies.types
for name, module in list(sys.modules.items()):
    file = getattr(module, "__file__", None)
    if name.startswith("vlasandbox.") and file:
        assert pathlib.Path(file).is_relative_to(sys.argv[1]), f"{name} came from {file}, not from the wheel"
assert vlasandbox.__version__[0].isdigit()
import envs
assert envs.MINE, "our envs hides the folder's own"
"""
ROLLOUT = """
import gymnasium, vlasandbox.envs
env = gymnasium.make("vlasandbox/Pick-v0")
observation, info = env.reset(seed=0)
assert observation["pixels"]["front"].std() > 1, "the frame is blank"
env.step(env.action_space.sample())
env.close()
"""


def check_files(site: Path) -> None:
    """Checks that the wheel has every Python file and all package data, and no top-level name but ours."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            relative = path.relative_to(ROOT)
            place = relative.relative_to(FACE) if relative.is_relative_to(FACE) else relative
            assert (site / "vlasandbox" / place).exists(), f"{place} is missing from the wheel"
    for path in (path for folder in DATA for path in (ROOT / folder).rglob("*")):
        relative = path.relative_to(ROOT)
        if path.is_file() and "__pycache__" not in path.parts:
            assert (site / "vlasandbox" / relative).exists(), f"{relative} is missing from the wheel"
    for name in PACKAGES:
        assert not (site / name).exists(), f"the wheel installs a top-level '{name}'"


def main() -> None:
    site = Path(sys.argv[1]).resolve()
    check_files(site)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    vla = str(site / "bin" / "vla")
    commands = [
        [sys.executable, "-c", IMPORTS, str(site)],
        [sys.executable, "-c", ROLLOUT],
        [vla, "--help"],
        [vla, "list"],
        [vla, "train", "--help"],
        [vla, "doctor", "--gl"],
        [vla, "demo", "expert", "pick up the red cube"],
    ]
    if (ROOT / PACKAGED / "model.safetensors").exists():
        commands.append([vla, "demo", "pick up the red cube"])
    with tempfile.TemporaryDirectory() as folder:
        for name, text in HOSTILE.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text + "\n")
        for command in commands:
            child = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
            shown = " ".join(Path(part).name if "\n" not in part else "<code>" for part in command)
            if child.returncode != 0:
                sys.exit(f"wheel smoke: '{shown}' failed in a foreign folder\n{child.stdout}{child.stderr}")
            print(f"wheel smoke: ok  {shown}")


if __name__ == "__main__":
    main()
