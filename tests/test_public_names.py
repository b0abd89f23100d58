"""Public names: what a package's `__init__.py` lists can be imported, and costs nothing until then."""

import importlib
import inspect
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import vlasandbox
from vlasandbox.common.public import exports, lazy_exports

ROOT = Path(__file__).parents[1]
LAZY = sorted(
    ".".join(path.relative_to(ROOT).parts[:-1])
    for package in ("envs", "vision", "policies", "train", "eval")
    for path in (ROOT / package).rglob("__init__.py")
    if "lazy_exports(" in path.read_text(encoding="utf-8")
)


def test_every_package_has_public_names():
    assert {"envs", "vision", "policies", "train", "eval"} <= set(LAZY)


@pytest.mark.parametrize("package", LAZY)
def test_all_that_is_listed_can_be_imported_and_is_documented(package):
    module = importlib.import_module(f"vlasandbox.{package}")
    assert len(module.__all__) == len(set(module.__all__)) > 0
    for name in module.__all__:
        value = getattr(module, name)
        assert name in dir(module)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__name__ == name
            assert inspect.getdoc(value), f"{package}.{name} has no docstring"


def test_a_name_that_does_not_exist_is_named():
    with pytest.raises(ImportError, match="Polizei"):
        from vlasandbox.policies import Polizei  # noqa: F401  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError, match=r"vlasandbox.policies.* has no attribute 'Polizei'"):
        _ = importlib.import_module("vlasandbox.policies").Polizei


def test_a_submodule_can_be_imported_beside_the_public_names():
    from vlasandbox.policies import Policy, heads

    assert heads.names()
    assert Policy.__module__ == "vlasandbox.policies.policy"


def test_only_relative_imports_under_type_checking_with_an_alias_are_public():
    text = (
        "from typing import TYPE_CHECKING\nfrom .a import Seen\nif TYPE_CHECKING:\n"
        "    from os import PathLike as PathLike\n    from .b import Hidden\n"
        "    from .c.d import Shown as Shown\n"
    )
    assert exports(text)["Shown"] == ".c.d"
    assert not exports(text).keys() & {"Seen", "Hidden"}


def test_a_name_is_looked_up_once(tmp_path, monkeypatch):
    package = tmp_path / "lazy_example"
    package.mkdir()
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .heavy import thing as thing\n"
    (package / "__init__.py").write_text(text)
    (package / "heavy.py").write_text("thing = object()\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("lazy_example")
    get, listed, names = lazy_exports("lazy_example", str(package / "__init__.py"))
    assert "lazy_example.heavy" not in sys.modules
    assert get("thing") is vars(module)["thing"]
    assert names == ["thing"]
    assert "thing" in listed()


def test_the_version_is_that_of_the_distribution():
    assert vlasandbox.__version__ == version("vlasandbox")
    with pytest.raises(AttributeError, match="no attribute 'versoin'"):
        _ = vlasandbox.versoin  # pyright: ignore[reportAttributeAccessIssue]


def test_packages_are_light_until_a_name_is_used():
    code = (
        "import sys, vlasandbox, vlasandbox.envs, vlasandbox.policies, vlasandbox.vision, vlasandbox.eval,"
        " vlasandbox.train\nheavy = {'torch', 'mujoco', 'transformers', 'pyarrow'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "from vlasandbox.policies import Execution\nprint(sorted(heavy & set(sys.modules)))"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.findall(r"\[.*\]", child.stdout) == ["[]", "[]"]
