"""LoRA: nothing changes at first, adapters alone learn, and merging is the same function."""

import copy
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_policy import build, generators, loss_of, make_batch
from tiny_trunk import CONFIG, INSTRUCTIONS, observation, tiny_trunk
from torch import nn

from vlasandbox.policies.lora import LoraConfig, LoraLinear
from vlasandbox.policies.policy import Policy
from vlasandbox.policies.trunk import Trunk
from vlasandbox.train.optim import OptimConfig, Rates
from vlasandbox.vision.encoders import resnet

BOTH = LoraConfig(rank=2, alpha=3.0, encoder=True)
LINEAR = re.compile(r"\.([qkvo]|out|gate|up|down)_proj$|\.fc[12]$")


def tuned(lora: LoraConfig = BOTH) -> Policy:
    """A policy whose adapters have left zero."""
    policy = build(trunk=replace(CONFIG, lora=lora))
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if name.endswith(".up"):
                parameter += torch.randn(parameter.shape, generator=generators(0)[0])
    return policy


def adapted(trunk: Trunk) -> set[str]:
    return {name for name, module in trunk.named_modules() if isinstance(module, LoraLinear)}


def test_the_output_is_unchanged_at_first():
    seen = observation(INSTRUCTIONS)
    plain, lora = tiny_trunk(), tiny_trunk(lora=BOTH)
    assert adapted(lora)
    with torch.no_grad():
        before, after = plain.encode(seen), lora.encode(seen)
    assert torch.equal(before.hidden, after.hidden)
    assert all(map(torch.equal, before.keys + before.values, after.keys + after.values))


def test_every_linear_layer_of_the_chosen_parts_is_adapted_and_no_other():
    for language, encoder in ((True, False), (False, True), (True, True)):
        trunk = tiny_trunk(lora=LoraConfig(2, language=language, encoder=encoder))
        layers = {name for name, module in trunk.named_modules() if LINEAR.search(name)}
        parts = ("language",) * language + ("encoder",) * encoder
        assert adapted(trunk) == {name for name in layers if name.startswith(parts)}
        assert all(any(name.startswith(part) for name in adapted(trunk)) for part in parts)


def test_an_adapted_layer_is_the_formula_of_the_paper():
    torch.manual_seed(0)
    base = nn.Linear(5, 3)
    layer = LoraLinear(copy.deepcopy(base), rank=2, alpha=6.0)
    nn.init.normal_(layer.up)
    x = torch.randn(4, 7, 5)
    expected = x @ base.weight.T + base.bias + 6.0 / 2 * (x @ layer.down.T @ layer.up.T)
    torch.testing.assert_close(layer(x), expected)
    assert (layer.down.shape, layer.up.shape) == ((2, 5), (3, 2))


def test_adapters_and_what_no_checkpoint_has_learn_and_the_rest_is_frozen():
    trunk = tiny_trunk(lora=BOTH)
    for name, parameter in trunk.named_parameters():
        if name.startswith(("language.", "encoder.")):
            new = name.startswith("encoder.stem.")  # a convolutional stem and its FiLM
            assert parameter.requires_grad == (new or name.endswith((".down", ".up"))), name
        else:
            assert parameter.requires_grad, name


def test_base_weights_stay_and_adapters_move():
    policy = tuned().train()
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    optimizer = OptimConfig(rates=Rates(language=0.5)).build(policy)
    loss_of(policy, make_batch()).backward()
    optimizer.step()
    moved = {name for name, tensor in policy.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name for name, p in policy.named_parameters() if p.requires_grad} >= moved
    assert {f"trunk.{name}.{x}" for name in adapted(policy.trunk) for x in ("down", "up")} <= moved


def test_merged_is_the_same_function_without_adapters():
    policy = tuned()
    seen, batch = observation(INSTRUCTIONS), make_batch()
    acts, loss = policy.act(seen, generators(0, 1, 2)), loss_of(policy.eval(), batch)
    unadapted = build().act(seen, generators(0, 1, 2))
    policy.merge_lora()
    assert not adapted(policy.trunk)
    torch.testing.assert_close(policy.act(seen, generators(0, 1, 2)), acts, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(loss_of(policy, batch), loss, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(acts, unadapted, atol=1e-2)


def test_merging_rounds_once():
    layer = LoraLinear(nn.Linear(40, 30), rank=8, alpha=5.0)
    nn.init.normal_(layer.up)
    weight, up, down = (x.detach().numpy().astype(np.float64) for x in (layer.weight, layer.up, layer.down))
    exact = (weight + 5 / 8 * up @ down).astype(np.float32)
    np.testing.assert_array_equal(layer.merged().weight.numpy(), exact)


def test_adapters_are_saved_and_loaded_with_the_policy(tmp_path):
    policy = tuned()
    policy.save(tmp_path / "policy")
    again = Policy.load(tmp_path / "policy")
    assert again.config == policy.config
    seen = observation(INSTRUCTIONS)
    assert torch.equal(again.act(seen, generators(0, 1, 2)), policy.act(seen, generators(0, 1, 2)))


def test_a_merged_policy_is_saved_as_if_it_had_never_had_adapters(tmp_path):
    policy = tuned()
    policy.merge_lora()
    policy.save(tmp_path / "policy")
    assert load_file(tmp_path / "policy" / "model.safetensors").keys() == build().state_dict().keys()
    again = Policy.load(tmp_path / "policy")
    assert again.config.trunk.lora is None
    seen = observation(INSTRUCTIONS)
    assert torch.equal(again.act(seen, generators(0, 1, 2)), policy.act(seen, generators(0, 1, 2)))


def test_weights_of_the_backbones_are_those_without_lora():
    plain, lora = tiny_trunk().state_dict(), tiny_trunk(lora=BOTH).state_dict()
    assert all(torch.equal(tensor, lora[name]) for name, tensor in plain.items())
    assert all(name.endswith((".down", ".up")) for name in lora.keys() - plain.keys())


@pytest.mark.parametrize("lora", [LoraConfig(rank=0), LoraConfig(language=False)])
def test_impossible_adapters_are_refused(lora: LoraConfig):
    with pytest.raises(ValueError, match="lora: rank must be at least 1 and language or encoder be true"):
        tiny_trunk(lora=lora)


def test_an_encoder_without_linear_layers_cannot_be_adapted():
    with pytest.raises(ValueError, match="lora: the encoder has no linear layers to adapt"):
        tiny_trunk(lora=BOTH, encoder=resnet.Config(image_size=32, width=16))
