"""The rooms may know each other in one direction only, and the light rooms stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "envs": set(),
    "vision": set(),
    "policies": {"vision"},
    "eval": {"envs", "policies"},
    "train": {"envs", "vision", "policies", "eval"},
}
BANNED = {"envs": {"torch", "transformers", "diffusers", "wandb"}}


def imported_modules(path: Path) -> set[str]:
    """Absolute dotted names of everything that a file of ours imports, ours as `vlasandbox.<room>...`."""
    package = ["vlasandbox", *path.relative_to(ROOT).with_suffix("").parts[:-1]]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from .. import envs` names a room in its list, not in its module.
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_below_it(room):
    allowed = MAY_IMPORT[room] | {room}
    for path in files(room):
        for name in imported_modules(path):
            parts = name.split(".")
            if parts[0] == "vlasandbox" and len(parts) > 1 and parts[1] in MAY_IMPORT:
                assert parts[1] in allowed, f"{path.relative_to(ROOT)} imports {name}"


def test_no_file_imports_a_room_by_its_plain_name():
    # It would be a second copy of the module, or someone else's. (ruff's TID251 takes ours for plain ones.)
    for folder in (*MAY_IMPORT, "tests", "benchmarks"):
        for path in files(folder):
            plain = {name.split(".")[0] for name in imported_modules(path)} & set(MAY_IMPORT)
            assert not plain, f"{path.relative_to(ROOT)} imports {plain}: say vlasandbox.{plain}"


@pytest.mark.parametrize("room", BANNED)
def test_an_environment_file_never_imports_torch(room):
    for path in files(room):
        heavy = {name.split(".")[0] for name in imported_modules(path)} & BANNED[room]
        assert not heavy, f"{path.relative_to(ROOT)} imports {heavy}"


def test_the_reader_of_imports_resolves_relative_names(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "envs" / "tasks" / "bad.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "from ...train import loop\nfrom ..task import Task\nfrom ... import eval\nimport torch\n"
    )
    names = imported_modules(path)
    assert {"vlasandbox.train.loop", "vlasandbox.envs.task", "vlasandbox.eval", "torch"} <= names


def loaded_by(statement: str) -> set[str]:
    """Top-level packages in sys.modules of a fresh interpreter after `statement`."""
    code = f"{statement}\nimport sys; print(' '.join({{m.split('.')[0] for m in sys.modules}}))"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(child.stdout.split())


def test_importing_the_environments_loads_neither_torch_nor_transformers():
    assert not loaded_by("import vlasandbox.envs as e; e.task_names()") & {
        "torch",
        "transformers",
        "diffusers",
    }


def test_chunk_execution_loads_without_torch():
    assert "torch" not in loaded_by("import vlasandbox.policies.execution")


def test_the_command_line_loads_neither_torch_nor_mujoco():
    assert not loaded_by("import vlasandbox.train.cli") & {"torch", "transformers", "mujoco", "gymnasium"}
