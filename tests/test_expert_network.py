"""The action expert: one attention shared with the trunk, computed in two halves."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from toy_trunk import TOKENS, ToyTrunk, attention, heads, real_prefix, rotate

from vlasandbox.policies.networks import default_config, expert, names
from vlasandbox.policies.networks.expert import Expert, ExpertLayer, norm

K, A = 3, 2


def build(trunk: ToyTrunk, causal: bool = False) -> Expert:
    torch.manual_seed(1)
    return expert.Config(width=24, mlp=40, causal=causal).build(trunk, K, A)


def joint_pass(trunk: ToyTrunk, net: Expert, features: torch.Tensor, x: torch.Tensor, t: torch.Tensor):
    """Both transformers side by side, layer by layer, on the concatenated sequence [prefix | actions] with
    pi0's mask, or SmolVLA's: a dense restatement of what the cache does, sharing no code with it."""
    b = len(x)
    mask = torch.ones(b, TOKENS, dtype=torch.bool)
    mask[1::2, 2] = False
    every = torch.cat([mask, torch.ones(b, K, dtype=torch.bool)], dim=1)
    positions = every.long().cumsum(dim=1) - 1
    block = torch.cat([torch.zeros(TOKENS), 1 + torch.arange(K) if net.causal else torch.ones(K)])
    visible = every[:, None, :] & (block[:, None] >= block[None, :])

    left = trunk.embed(features).view(b, TOKENS, trunk.dim)
    half = net.time_in.shape[1] // 2
    period = 4e-3 * (4.0 / 4e-3) ** torch.linspace(0, 1, half)
    phase = 2 * torch.pi * t[:, None] / period
    time = torch.cat([phase.sin(), phase.cos()], dim=-1)
    weight = torch.cat([net.action_in, net.time_in], dim=1)
    fused = torch.cat([x, time[:, None].expand(-1, K, -1)], dim=-1) @ weight.T + net.slots
    right = (fused * fused.sigmoid()) @ net.token_in.T
    for a, layer in zip(trunk.projections, net.layers, strict=True):
        assert isinstance(a, nn.ModuleDict)
        assert isinstance(layer, ExpertLayer)
        normed = F.rms_norm(left, (trunk.dim,))
        sizes = [32, 8 * trunk.num_kv_heads, 8 * trunk.num_kv_heads]
        right_qkv = (norm(right) @ layer.qkv.T).split(sizes, dim=-1)
        q, k, v = (
            heads(torch.cat([a[name](normed), other], dim=1), 8)
            for name, other in zip("qkv", right_qkv, strict=True)
        )
        q, k = rotate(q, positions, trunk.rope_theta), rotate(k, positions, trunk.rope_theta)
        mixed = attention(q, k, v, visible)
        left = left + a["o"](mixed[:, :TOKENS])
        left = left + a["down"](F.gelu(a["up"](F.rms_norm(left, (trunk.dim,)))))
        right = right + mixed[:, TOKENS:] @ layer.out.T
        gate, up = (norm(right) @ layer.gate_up.T).chunk(2, dim=-1)
        right = right + (gate * gate.sigmoid() * up) @ layer.down.T
    return norm(right) @ net.action_out.T + net.action_bias


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_equals_one_dense_pass_over_prefix_and_actions_with_block_mask(
    kv_heads: int, prepared: bool, causal: bool
):
    trunk = ToyTrunk(kv_heads=kv_heads)
    net = build(trunk, causal)
    features, x, t = torch.randn(4, 2), torch.randn(4, K, A), torch.tensor([0.0, 0.3, 0.9, 1.0])
    expected = joint_pass(trunk, net, features, x, t)
    with torch.set_grad_enabled(not prepared):
        prefix = trunk.prefix(features)
        actual = net(x, t, net.prepare(prefix) if prepared else prefix)
    torch.testing.assert_close(actual, expected, atol=2e-5, rtol=1e-5)


def test_real_trunks_cache_is_rotated_as_the_expert_assumes():
    trunk, prefix, raw = real_prefix()
    assert not prefix.mask.all()
    torch.testing.assert_close(prefix.keys[0], rotate(raw, prefix.positions, trunk.rope_theta))
    net = expert.Config(width=24, mlp=40).build(trunk, K, A)
    x, t = torch.randn(2, K, A), torch.rand(2)
    with torch.no_grad():
        prepared = net(x, t, net.prepare(prefix))
    torch.testing.assert_close(net(x, t, prefix), prepared, atol=1e-5, rtol=1e-4)


def test_gradient_of_the_cached_pass_into_the_trunk_equals_that_of_the_dense_pass():
    trunk = ToyTrunk()
    net = build(trunk)
    features, x, t = torch.randn(3, 2), torch.randn(3, K, A), torch.rand(3)
    weights = [p for name, p in trunk.named_parameters() if "1.q" not in name]
    wanted = torch.autograd.grad(
        joint_pass(trunk, net, features, x, t).square().sum(), weights, allow_unused=True
    )
    actual = torch.autograd.grad(net(x, t, trunk.prefix(features)).square().sum(), weights, allow_unused=True)
    reached = 0
    for a, w in zip(actual, wanted, strict=True):
        if w is not None and w.abs().max() > 0:
            torch.testing.assert_close(a, w, atol=1e-4, rtol=1e-4)
            reached += 1
    assert reached >= 8  # the last layer's queries, output and MLP serve only the prefix itself


def test_folder_lists_the_expert_and_unknown_names_are_rejected_with_the_closest():
    assert "expert" in names()
    assert default_config("expert") == expert.Config()
    assert default_config("vlasandbox.policies.networks.expert") == expert.Config()
    with pytest.raises(
        ValueError, match=r"unknown network 'experts'; valid: .*expert.* Did you mean 'expert'\?"
    ):
        default_config("experts")
    with pytest.raises(ValueError, match=r"unknown network 'no\.such\.module'"):
        default_config("no.such.module")
    with pytest.raises(ValueError, match="defines no Config deriving from NetworkConfig"):
        default_config("vlasandbox.policies.codecs.bins")


def test_rotary_rates_that_are_scaled_are_refused():
    trunk = ToyTrunk()
    trunk.rope_type = "llama3"
    with pytest.raises(ValueError, match="valid: rope_type 'default'; the language model has 'llama3'"):
        expert.Config(width=32).build(trunk, K, A)


def test_an_odd_width_is_refused():
    with pytest.raises(ValueError, match="width must be even and positive, got 7"):
        expert.Config(width=7).build(ToyTrunk(), K, A)
