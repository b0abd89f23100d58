"""Networks that read the prefix out through the trunk itself: Octo's readout token, OFT's placeholders."""

import pytest
import torch
from torch import nn
from toy_trunk import ToyTrunk

from vlasandbox.policies.heads import flow, regression
from vlasandbox.policies.networks import mlp_resnet, readout_mlp
from vlasandbox.policies.types import Prefix

K, A, B = 3, 2, 4


def octo() -> tuple[mlp_resnet.MLPResNet, ToyTrunk, Prefix]:
    trunk = ToyTrunk()
    torch.manual_seed(1)
    return mlp_resnet.Config(width=16).build(trunk, K, A), trunk, trunk.prefix(torch.randn(B, 2))


def oft() -> tuple[readout_mlp.ReadoutMLP, ToyTrunk, Prefix]:
    trunk = ToyTrunk()
    torch.manual_seed(1)
    return readout_mlp.Config().build(trunk, K, A), trunk, trunk.prefix(torch.randn(B, 2))


def extended(trunk: ToyTrunk, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Collects the tokens by which `trunk` is extended from now on."""
    seen, extend = [], trunk.extend
    monkeypatch.setattr(trunk, "extend", lambda *args: (seen.append(args[1]), extend(*args))[1])
    return seen


# Octo


def test_nothing_sees_the_readout_and_the_readout_sees_the_prefix():
    net, trunk, prefix = octo()
    known = net.prepare(prefix)
    assert torch.equal(known.hidden, prefix.hidden)
    assert torch.equal(known.mask, prefix.mask)
    for own, before in zip([*known.keys, *known.values], [*prefix.keys, *prefix.values], strict=True):
        assert torch.equal(own, before)
    other = net.prepare(trunk.prefix(torch.randn(B, 2)))
    assert ((other.readout - known.readout).abs().amax(dim=1) > 1e-3).all()


def test_the_readout_is_the_last_hidden_state_of_one_token_in_the_next_position():
    net, trunk, prefix = octo()
    keep = prefix.mask[1]
    alone = Prefix(
        prefix.hidden[1:2, keep],
        prefix.mask[1:2, keep],
        prefix.positions[1:2, keep],
        [z[1:2, :, keep] for z in prefix.keys],
        [z[1:2, :, keep] for z in prefix.values],
    )
    hidden, after = trunk.extend(alone, net.readout[None], "causal")
    assert after.positions[0].tolist() == [0, 1, 2, 3, 4]
    torch.testing.assert_close(net.prepare(prefix).readout[1], hidden[0, 0], atol=1e-5, rtol=1e-4)


def test_features_of_time_are_cosines_and_sines_of_learned_frequencies():
    net, _, _ = octo()
    assert net.frequencies.shape == (16,)
    t = torch.tensor([0.0, 0.25])
    features = net.time_features(t)
    torch.testing.assert_close(features[0], torch.cat([torch.ones(16), torch.zeros(16)]))
    turn = torch.pi / 2 * net.frequencies
    torch.testing.assert_close(features[1], torch.cat([turn.cos(), turn.sin()]))
    assert [layer.out_features for layer in net.time if isinstance(layer, nn.Linear)] == [64, 32]


def test_one_vector_of_time_readout_and_flat_chunk_passes_three_residual_blocks():
    net, _, prefix = octo()
    x, t = torch.randn(B, K, A), torch.rand(B)
    known = net.prepare(prefix)
    z = net.first(torch.cat([net.time(net.time_features(t)), known.readout, x.flatten(1)], dim=1))
    for i in range(3):
        norm, up, _, down = net.get_submodule(f"blocks.{i}").children()
        inner = up(norm(z))
        assert inner.shape == (B, 4 * 16)
        z = z + down(inner * inner.sigmoid())
    expected = net.last(z * z.sigmoid()).view(B, K, A)
    torch.testing.assert_close(net(x, t, known), expected)


def test_the_trunk_runs_once_per_chunk_however_many_steps(monkeypatch: pytest.MonkeyPatch):
    trunk = ToyTrunk()
    head = flow.Config(mlp_resnet.Config(width=16), steps=5).build(trunk, K, A)
    prefix, tokens = trunk.prefix(torch.randn(B, 2)), extended(trunk, monkeypatch)
    with torch.no_grad():
        head.sample(prefix, [torch.Generator().manual_seed(i) for i in range(B)])
    assert [t.shape for t in tokens] == [(B, 1, trunk.dim)]


# OFT


def test_placeholders_are_empty_for_regression_and_the_trunk_runs_once(monkeypatch: pytest.MonkeyPatch):
    trunk = ToyTrunk()
    head = regression.Config(readout_mlp.Config()).build(trunk, K, A)
    prefix, tokens = trunk.prefix(torch.randn(B, 2)), extended(trunk, monkeypatch)
    head.sample(prefix, [])
    assert [t.shape for t in tokens] == [(B, 1 + K * A, trunk.dim)]
    assert not tokens[0][:, 1:].any()
    assert tokens[0][:, 0].any()


def test_order_of_what_placeholders_hold_matters_only_where_there_is_something(
    monkeypatch: pytest.MonkeyPatch,
):
    net, trunk, prefix = oft()
    order = torch.randperm(K * A, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(order, torch.arange(K * A))
    extend = trunk.extend

    def permuted(prefix, tokens, attend):
        return extend(prefix, torch.cat([tokens[:, :1], tokens[:, 1:][:, order]], dim=1), attend)

    t = torch.rand(B)
    chunks = {"empty": torch.zeros(B, K, A), "full": torch.randn(B, K, A)}
    before = {name: net(x, t, prefix) for name, x in chunks.items()}
    monkeypatch.setattr(trunk, "extend", permuted)
    assert torch.equal(net(chunks["empty"], t, prefix), before["empty"])
    assert not torch.allclose(net(chunks["full"], t, prefix), before["full"])


def test_every_number_of_a_noisy_chunk_is_its_own_placeholder():
    net, trunk, _ = oft()
    x = torch.randn(B, K, A)
    before = net.placeholders(x)
    assert before.shape == (B, K * A, trunk.dim)
    x[:, 1, 0] += 1
    changed = (net.placeholders(x) != before).any(dim=-1)
    assert changed.sum(dim=1).tolist() == [1] * B
    assert changed[:, 1 * A + 0].all()


def test_hidden_states_of_one_step_end_to_end_give_its_action():
    net, trunk, prefix = oft()
    x, t = torch.zeros(B, K, A), torch.rand(B)
    hidden, _ = trunk.extend(prefix, torch.cat([net.time(t)[:, None], net.placeholders(x)], dim=1), "full")
    step = 2
    joined = hidden[:, 1 + step * A : 1 + (step + 1) * A].flatten(1)
    norm, down, relu = net.first
    z = relu(down(norm(joined)))
    assert z.shape == (B, trunk.dim)
    for i in range(2):
        norm, linear, _ = net.get_submodule(f"blocks.{i}").children()
        z = z + linear(norm(z)).clamp(min=0)
    norm, out = net.last
    torch.testing.assert_close(net(x, t, prefix)[:, step], out(norm(z)), atol=1e-5, rtol=1e-4)
