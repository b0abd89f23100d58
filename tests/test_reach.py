"""Settings that clip what a normalization lets through are refused, before anything is trained."""

from dataclasses import replace

import numpy as np
import pytest
from statistics_of import statistics
from tiny_policy import SPEC
from tiny_trunk import CONFIG, INSTRUCTIONS

from vlasandbox.policies.codecs import bins, fast, quantiles, text
from vlasandbox.policies.head import HeadConfig
from vlasandbox.policies.heads import diffusion, discrete_diffusion, flow, regression, tokens
from vlasandbox.policies.policy import Policy, PolicyConfig

rng = np.random.default_rng(0)
DATA = {
    "action": statistics(rng.normal(size=(1000, SPEC.action_dim))),
    "state": statistics(rng.normal(size=(1000, SPEC.state_dim))),
}
AUTOREGRESSIVE = tokens.Config(codec=text.Config(), decoding="autoregressive")
CLIPS: dict[str, HeadConfig] = {
    "bins": tokens.Config(codec=bins.Config()),
    "bins of rounds": discrete_diffusion.Config(),
    "text": AUTOREGRESSIVE,
    "clip": diffusion.Config(),
    "bound": diffusion.Config(clip=None, bound=1.0),
}


@pytest.mark.parametrize("head", CLIPS)
@pytest.mark.parametrize("norm", ["z_score", "none"])
def test_a_clip_within_the_data_is_refused(head, norm):
    config = PolicyConfig(CLIPS[head], CONFIG, action_norm=norm)
    with pytest.raises(
        ValueError, match=rf"head\.\w+ clips to \[-1.*, 1.*\], but normalization '{norm}' takes [1-9]"
    ):
        Policy.build(config, SPEC, DATA, INSTRUCTIONS)


@pytest.mark.parametrize("head", CLIPS)
@pytest.mark.parametrize("norm", ["quantile", "min_max"])
def test_a_clip_at_the_ends_of_the_data_is_fine(head, norm):
    PolicyConfig(CLIPS[head], CONFIG, action_norm=norm).check_reach(DATA)


@pytest.mark.parametrize(
    "head",
    [
        regression.Config(),
        flow.Config(),
        diffusion.Config(clip=None),
        diffusion.Config(clip=3.0, bound=5.0),
        tokens.Config(codec=bins.Config(low=-4.0, high=4.0)),
        tokens.Config(codec=quantiles.Config(source="normal")),
        tokens.Config(codec=fast.Config(), decoding="autoregressive"),
    ],
)
def test_what_does_not_clip_takes_z_scores(head):
    PolicyConfig(head, CONFIG, action_norm="z_score", state_norm="z_score").check_reach(DATA)


def test_actions_that_are_within_the_limits_as_they_are_need_no_normalization():
    small = {"action": {name: x / 5 for name, x in DATA["action"].items()}, "state": DATA["state"]}
    PolicyConfig(CLIPS["bins"], CONFIG, action_norm="none").check_reach(small)


def test_a_state_in_words_has_limits_too():
    config = PolicyConfig(regression.Config(), replace(CONFIG, state="text"), state_norm="z_score")
    with pytest.raises(ValueError, match=r"trunk.state 'text' clips to \[-1, 1\]"):
        config.check_reach(DATA)
    replace(config, state_norm="quantile").check_reach(DATA)


def test_what_was_saved_with_such_settings_can_still_be_loaded(tmp_path):
    config = PolicyConfig(CLIPS["bins"], CONFIG, action_norm="z_score")
    trunk = config.trunk.build(SPEC.num_views, SPEC.observed_state_dim, INSTRUCTIONS)
    Policy(config, SPEC, trunk, DATA).save(tmp_path / "policy")
    assert Policy.load(tmp_path / "policy").config.action_norm == "z_score"
