"""Every preset builds a full configuration; a wrong name is answered with the right ones."""

import subprocess
import sys
from pathlib import Path

import pytest

from vlasandbox.train import presets
from vlasandbox.train.config import TrainConfig, differences, settings

PICK = [name for name in presets.names() if name.startswith("pick_")]


def test_listing_of_the_folder_is_the_list_of_presets():
    assert {"debug", "pick_regression", "pick_tokens", "pick_diffusion", "pick_flow"} <= set(presets.names())
    assert not any(name.startswith("_") for name in presets.names())


@pytest.mark.parametrize("name", presets.names())
def test_preset_is_a_full_configuration_with_a_docstring(name: str):
    function = presets.load(name)
    config = function(Path("somewhere"))
    assert isinstance(config, TrainConfig)
    assert config.data.root == Path("somewhere")
    assert function.__doc__
    assert function(Path("somewhere"), updates=7, seed=3).updates == 7
    assert function(Path("somewhere"), updates=7, seed=3).seed == 3


def test_pick_presets_differ_in_the_head_alone():
    first, *others = (settings(presets.load(name)(Path("d"))) for name in PICK)
    assert len(others) == 3
    for other in others:
        found = differences(first, other)
        assert found
        assert all(line.startswith("policy.head.") for line in found)


def test_unknown_preset_names_the_closest_and_all():
    with pytest.raises(
        ValueError, match=r"'pick_flwo'; valid: .*debug, .*pick_tokens.* Did you mean 'pick_flow'"
    ):
        presets.load("pick_flwo")


def test_shared_part_is_not_a_preset():
    with pytest.raises(ValueError, match="unknown preset '_pick'"):
        presets.load("_pick")


def test_listing_imports_no_torch():
    code = (
        "import sys; from vlasandbox.train import presets; presets.names(); assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("name", presets.names())
def test_the_first_recipe_of_a_preset_has_none_of_what_the_present_one_added(name: str):
    config = presets.load(f"{name}:recipe=2026-11")(Path("d"))
    assert config.policy.shift == 4
    assert config.policy.trunk.grounding.keypoints == 0
    assert config.optim.muon_lr == 0


@pytest.mark.parametrize("name", PICK)
def test_the_present_recipe_has_keypoints_and_muon(name: str):
    config = presets.load(name)(Path("d"))
    assert config == presets.load(f"{name}:recipe={presets.CURRENT}")(Path("d"))
    assert config.policy.trunk.grounding.keypoints > 0
    assert config.optim.muon_lr > 0
