"""How a trained head is sampled can be changed afterwards, and nothing else of it."""

import dataclasses

import pytest
import torch
from tiny_policy import build, generators
from tiny_trunk import INSTRUCTIONS, observation

from vlasandbox.policies import heads
from vlasandbox.policies.heads import diffusion, flow, insulated
from vlasandbox.policies.policy import Policy
from vlasandbox.policies.sampling import resampled


@pytest.mark.parametrize("name", heads.names())
def test_what_may_change_are_fields_that_the_head_has(name):
    config = heads.default_config(name)
    for path in config.SAMPLING:
        part = config
        for key in path.split("."):
            assert key in {f.name for f in dataclasses.fields(part)}, path
            part = getattr(part, key)


def test_settings_are_read_as_what_they_are():
    assert resampled(flow.Config(), "steps=5,temperature=0") == flow.Config(steps=5, temperature=0.0)
    assert resampled(diffusion.Config(), "sampler=ddpm,bound=5") == diffusion.Config(
        sampler="ddpm", bound=5.0
    )
    assert resampled(flow.Config(), "") == flow.Config()


def test_settings_of_a_part_are_reached():
    assert resampled(insulated.Config(), "flow.steps=3").flow == flow.Config(steps=3)  # pyright: ignore


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("draws=2", r"draws='2'.*valid: steps, temperature"),
        ("steps", "steps: got '', expected a whole number"),
        ("steps=2.5", "sampling.steps: got 2.5, expected a whole number"),
        ("temperature=hot", "sampling.temperature: got 'hot', expected a number"),
    ],
)
def test_a_wrong_setting_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        resampled(flow.Config(), text)


def test_a_policy_that_is_loaded_with_other_steps_is_one_that_was_built_with_them(tmp_path):
    policy = build(head=flow.Config(steps=10)).eval()
    policy.save(tmp_path / "policy")
    again = Policy.load(tmp_path / "policy", sampling="steps=3")
    assert again.head.num_function_evaluations == 3
    few = build(head=flow.Config(steps=3))
    few.load_state_dict(policy.state_dict())
    seen = observation(INSTRUCTIONS[:1])
    assert torch.equal(again.act(seen, generators(0)), few.eval().act(seen, generators(0)))
    assert not torch.equal(again.act(seen, generators(0)), policy.act(seen, generators(0)))
