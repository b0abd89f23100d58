"""The system that CONTRIBUTING.md builds step by step is one that can be built, step by step."""

import importlib
import re
import sys
from pathlib import Path

import pytest
import test_presets
import test_systems

from vlasandbox.train import presets

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAME = "bc_z"


def blocks(language: str) -> list[str]:
    return [part.split("```")[0] for part in TEXT.split(f"```{language}\n")[1:]]


STEPS = [block for block in blocks("python") if block.startswith(f'"""Preset `{NAME}`."""')]


@pytest.fixture
def written(request, tmp_path, monkeypatch):
    """One step's file, among the presets for as long as the test takes."""
    module = f"{presets.__name__}.{NAME}"
    (tmp_path / f"{NAME}.py").write_text(request.param, encoding="utf-8")
    monkeypatch.setattr(presets, "__path__", [*presets.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    test_systems.tiny.cache_clear()
    test_systems.published.cache_clear()
    yield
    test_systems.tiny.cache_clear()
    test_systems.published.cache_clear()
    sys.modules.pop(module, None)
    presets.__dict__.pop(NAME, None)


every_step = pytest.mark.parametrize("written", STEPS, indirect=True, ids=["head", "system"])
last_step = pytest.mark.parametrize("written", STEPS[-1:], indirect=True, ids=["system"])


@pytest.mark.slow
@every_step
def test_each_step_is_a_preset_that_learns(written):
    assert NAME in presets.names()
    test_presets.test_preset_is_a_full_configuration_with_a_docstring(NAME)
    test_systems.test_tiny_size_learns_from_a_batch(NAME)


@last_step
def test_the_last_step_is_a_system(written, tmp_path, capsys):
    test_systems.test_both_sizes_take_updates_and_seed(NAME)
    test_systems.test_tiny_size_acts_alike_after_being_saved_and_loaded(NAME, tmp_path)
    test_systems.test_published_size_has_the_published_number_of_parameters(NAME)
    assert f"prints its parameters ({capsys.readouterr().out.strip()};" in TEXT


def test_page_and_rows_are_as_the_tests_of_systems_want_them(tmp_path, monkeypatch):
    page, rows = blocks("markdown")
    (tmp_path / f"{NAME}.md").write_text(page, encoding="utf-8")
    for name, row in zip(("README.md", "RESULTS.md"), rows.splitlines(), strict=True):
        table = (test_systems.DOCS / name).read_text(encoding="utf-8")
        header = next(line for line in table.splitlines() if line.startswith("| | "))
        assert row.count("|") == header.count("|")
        (tmp_path / name).write_text(row, encoding="utf-8")
    monkeypatch.setattr(test_systems, "DOCS", tmp_path)
    test_systems.test_system_has_a_page_and_a_row_in_both_tables(NAME)


def test_the_files_it_names_exist():
    named = set(
        re.findall(r"\b(?:envs|vision|policies|train|eval|tests|benchmarks|docs)/[\w/]+\.(?:py|md)", TEXT)
    )
    assert len(named) > 5
    assert {name for name in named if NAME not in name and not (ROOT / name).exists()} == set()
