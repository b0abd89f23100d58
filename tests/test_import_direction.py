"""Packages know each other in one direction only, and the light ones stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "common": set(),
    "envs": {"common"},
    "vision": {"common"},
    "policies": {"common", "vision"},
    "eval": {"common", "envs", "policies"},
    "train": {"common", "envs", "vision", "policies", "eval"},
}
EVAL = ("stats", "rollout", "compare", "video", "study", "report", "live")
"""Folders of eval: none imports one that stands behind it, and stats and rollout do not know each other."""
HEAVY = {"torch", "transformers", "diffusers", "wandb"}
BANNED = {"common": HEAVY, "envs": HEAVY}


def imported_modules(path: Path) -> set[str]:
    """Absolute dotted names of everything that a file of ours imports, ours as `vlasandbox.<package>...`."""
    package = ["vlasandbox", *path.relative_to(ROOT).with_suffix("").parts[:-1]]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from .. import envs` names a package in its list, not in its module.
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def assert_imports_none(paths: list[Path], banned: list[str]) -> None:
    """No file imports one of the modules `banned`, or what is in them."""
    assert paths
    for path in paths:
        for name in imported_modules(path):
            for module in banned:
                inside = f"{name}.".startswith(f"vlasandbox.{module}.")
                assert not inside, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_the_packages_below_it(package):
    allowed = MAY_IMPORT[package] | {package}
    for path in files(package):
        for name in imported_modules(path):
            parts = name.split(".")
            if parts[0] == "vlasandbox" and len(parts) > 1 and parts[1] in MAY_IMPORT:
                assert parts[1] in allowed, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("folder", EVAL)
def test_a_folder_of_eval_imports_only_those_below_it(folder):
    above = EVAL[EVAL.index(folder) + 1 :]
    beside = ("stats",) if folder == "rollout" else ()
    assert_imports_none(files(f"eval/{folder}"), [f"eval.{name}" for name in (*above, *beside)])


def test_every_folder_of_eval_has_its_place():
    folders = {path.parent.name for path in (ROOT / "eval").glob("*/__init__.py")}
    assert folders == set(EVAL)
    # `eval/__init__.py` names what is public, and imports it when it is asked for.
    top = [path for path in files("eval") if path.parent == ROOT / "eval" and path.name != "__init__.py"]
    assert_imports_none(top, [f"eval.{name}" for name in EVAL])


def test_the_library_does_not_know_its_command_line():
    library = [path for path in files("train") if path.parent != ROOT / "train" / "cli"]
    assert_imports_none(library, ["train.cli"])


def test_no_file_of_envs_goes_in_a_circle_with_another():
    modules = {f"vlasandbox.{'.'.join(_dotted(path))}": path for path in files("envs")}
    graph = {name: imported_modules(path) & modules.keys() - {name} for name, path in modules.items()}
    # A package knows its modules: `vlasandbox.envs` itself is the front door, behind which `make` is.
    graph["vlasandbox.envs"] = set()
    # A configuration knows the class that it builds.
    graph["vlasandbox.envs.config"].discard("vlasandbox.envs.manipulation_env")
    while leaves := {name for name, needs in graph.items() if not needs & graph.keys()}:
        graph = {name: needs for name, needs in graph.items() if name not in leaves}
    assert not graph, f"these import each other: {sorted(graph)}"


def _dotted(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def test_no_file_imports_a_package_by_its_plain_name():
    # It would be a second copy of the module, or someone else's. (ruff's TID251 takes ours for plain ones.)
    for folder in (*MAY_IMPORT, "tests", "benchmarks"):
        for path in files(folder):
            plain = {name.split(".")[0] for name in imported_modules(path)} & set(MAY_IMPORT)
            assert not plain, f"{path.relative_to(ROOT)} imports {plain}: say vlasandbox.{plain}"


@pytest.mark.parametrize("package", BANNED)
def test_an_environment_file_never_imports_torch(package):
    for path in files(package):
        heavy = {name.split(".")[0] for name in imported_modules(path)} & BANNED[package]
        assert not heavy, f"{path.relative_to(ROOT)} imports {heavy}"


@pytest.mark.parametrize("name", ["worker", "protocol", "faults"])
def test_what_runs_under_another_interpreter_needs_numpy_alone(name):
    beside = {f"vlasandbox.envs.simulation.{other}" for other in ("protocol", "faults")}
    for module in imported_modules(ROOT / "envs" / "simulation" / f"{name}.py"):
        inside = any(f"{module}.".startswith(f"{other}.") for other in beside)
        assert inside or module.split(".")[0] in {"numpy", *sys.stdlib_module_names}, module


def test_the_reader_of_imports_resolves_relative_names(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "envs" / "tasks" / "bad.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "from ...train import loop\nfrom ..task import Task\nfrom ... import eval\nimport torch\n"
    )
    names = imported_modules(path)
    assert {"vlasandbox.train.loop", "vlasandbox.envs.task", "vlasandbox.eval", "torch"} <= names
    with pytest.raises(AssertionError, match=r"bad\.py imports vlasandbox\.train\.loop"):
        assert_imports_none([path], ["train.loop"])


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


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_errors_for_users_derive_from_one_root(package):
    """The command line shows the traceback of any other exception, as of a bug."""
    built_in = ("ValueError", "FileNotFoundError", "FileExistsError", "ImportError", "RuntimeError")
    for path in files(package):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                name = getattr(node.exc.func, "id", "")
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                assert name not in built_in, f"{place} raises {name}: raise one of common/errors.py"
