"""A name in a file imports nothing that the user did not ask for."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from vlasandbox.common import trust
from vlasandbox.envs import perturb, tasks
from vlasandbox.policies.config_io import from_dict
from vlasandbox.policies.head import HeadConfig
from vlasandbox.policies.policy import PolicyConfig
from vlasandbox.train.cli import main

HEAD = """
from dataclasses import dataclass
from pathlib import Path
from vlasandbox.policies.head import HeadConfig

Path(__file__).with_name("ran").touch()


@dataclass(frozen=True)
class Config(HeadConfig):
    size: int = 1

    def build(self, trunk, chunk, action_dim):
        raise NotImplementedError
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of someone else, importable, and whether it ran."""
    monkeypatch.setenv(trust.VARIABLE, "")
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "someones"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "heads.py").write_text(HEAD)
    (folder / "__main__.py").write_text(HEAD)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "someones"]:
        del sys.modules[name]


def read(name: str) -> HeadConfig:
    return from_dict(PolicyConfig, {"head": {"type": name}}).head


def test_a_strangers_module_is_not_imported(package):
    with pytest.raises(ValueError, match=r"importing it runs its code.*--allow someones"):
        read("someones.heads.Config")
    assert not (package / "ran").exists()
    assert "someones" not in sys.modules


def test_a_package_that_the_user_allows_is_imported(package):
    trust.allow(["someones"])
    assert type(read("someones.heads.Config")).__module__ == "someones.heads"


def test_what_the_program_imported_itself_needs_no_leave(package):
    import someones.heads  # pyright: ignore[reportMissingImports]

    assert isinstance(read("someones.heads.Config"), someones.heads.Config)


def test_a_package_is_not_allowed_by_a_name_that_begins_like_it(package):
    trust.allow(["some"])
    with pytest.raises(ValueError, match="--allow someones"):
        read("someones.heads.Config")


def test_no_program_is_run_even_of_an_allowed_package(package):
    trust.allow(["someones"])
    with pytest.raises(ValueError, match=r"someones\.__main__"):
        read("someones.__main__.Config")
    assert not (package / "ran").exists()


@pytest.mark.parametrize(
    "name", ["this.Config", "venv.__main__.C", "vlasandbox.train.cli.Config", "antigravity.x", ".Config", ""]
)
def test_no_module_beyond_the_registry_is_imported(name, monkeypatch):
    monkeypatch.setenv(trust.VARIABLE, "")
    code = (
        "import sys\n"
        "from vlasandbox.policies.config_io import from_dict\n"
        "from vlasandbox.policies.heads import flow, regression, tokens\n"
        "from vlasandbox.policies.policy import PolicyConfig\n"
        "before = set(sys.modules)\n"
        f"try: from_dict(PolicyConfig, {{'head': {{'type': {name!r}}}}})\n"
        "except ValueError: print(sorted(set(sys.modules) - before))\n"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    new = eval(child.stdout.splitlines()[-1])
    assert all(module.startswith("vlasandbox.policies.heads") for module in new), child.stdout


def test_a_task_of_a_stranger_is_not_imported(package):
    with pytest.raises(ValueError, match=r"'someones\.heads' is not part of .*--allow someones"):
        tasks.load("someones.heads")
    with pytest.raises(ValueError, match=r"--allow someones"):
        perturb.load("someones.fog")
    assert "someones" not in sys.modules
    assert not (package / "ran").exists()


def test_what_the_user_types_is_allowed_and_no_more(package):
    main(["list", "someones.heads=3"])
    assert trust.allowed() == ["someones.heads"]


def test_the_command_line_allows_a_package_anywhere_among_its_arguments(package, capsys, monkeypatch):
    assert main(["list", "--allow", "someones"]) == 0
    assert trust.allowed() == ["someones"]
    assert main(["--allow=other_one", "list"]) == 0
    assert trust.allowed() == ["someones", "other_one"]
    assert main(["list", "--allow"]) == 2
    assert "'' is not the name of a package" in capsys.readouterr().err


def test_no_call_of_ours_lets_transformers_run_code_of_a_folder():
    root = Path(__file__).parents[1]
    for path in [p for room in ("policies", "vision", "train", "eval") for p in (root / room).rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        calls = re.findall(r"(?:Auto\w+|kind)\.(?:from_pretrained|from_config)\(", text)
        refusals = re.findall(r"trust_remote_code\W+False", text)
        assert len(refusals) >= len(calls) - text.count("(**where"), path
