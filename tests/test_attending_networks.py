"""Networks that attend to a prefix's hidden states do what torch's layers do with the same weights."""

import dataclasses

import pytest
import torch
from torch import nn
from toy_trunk import ToyTrunk

from vlasandbox.policies.networks import _attention, _sines, act_decoder, dit, dp_transformer, groot_dit
from vlasandbox.policies.networks._attention import Attention, KeysValues

W, H, MLP, K, A = 24, 4, 40, 5, 2


def copy_attention(own: Attention, source: KeysValues, theirs: nn.MultiheadAttention) -> None:
    """Theirs gets our weights."""
    projections = [own.query, source.key, source.value]
    theirs.in_proj_weight.data = torch.cat([p.weight for p in projections]).detach()
    theirs.in_proj_bias.data = torch.cat([p.bias for p in projections]).detach()
    theirs.out_proj.load_state_dict(own.out.state_dict())


def example(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Action tokens, tokens to attend to, and which of those are padding."""
    torch.manual_seed(seed)
    padding = torch.zeros(3, 7, dtype=torch.bool)
    padding[1, 4:] = True
    padding[2, 0] = True
    return torch.randn(3, K, W), torch.randn(3, 7, W), padding


def test_attention_is_torchs_and_does_not_look_at_padding():
    tokens, source, padding = example()
    own, keys_values = Attention(W, H), KeysValues(W, W, H)
    theirs = nn.MultiheadAttention(W, H, batch_first=True)
    copy_attention(own, keys_values, theirs)
    expected, _ = theirs(tokens, source, source, key_padding_mask=padding)
    torch.testing.assert_close(own(tokens, keys_values(source), ~padding[:, None, None]), expected)


def test_heads_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="width 24 must be a multiple of heads 5"):
        dit.Config(width=24, heads=5).build(ToyTrunk(), K, A)


def test_sines_have_the_periods_of_the_transformer_paper_and_of_pi0():
    positions, i = torch.arange(50.0), torch.arange(8)
    angle = positions[:, None] / 1e4 ** (i / 7)
    expected = torch.cat([angle.sin(), angle.cos()], dim=1)
    torch.testing.assert_close(_sines.of_position(16)(positions), expected, atol=1e-4, rtol=0)

    t = torch.linspace(0, 1, 11)
    angle = 2 * torch.pi * t[:, None] / (4e-3 * 1e3 ** (i / 7))
    expected = torch.cat([angle.sin(), angle.cos()], dim=1)
    torch.testing.assert_close(_sines.of_time(16)(t), expected, atol=1e-3, rtol=0)


# ACT


def act_layers() -> tuple[act_decoder.Layer, KeysValues, nn.TransformerDecoderLayer]:
    """Ours, and torch's with the same weights."""
    torch.manual_seed(1)
    ours = act_decoder.Layer(act_decoder.Config(width=W, heads=H, mlp=MLP))
    source = KeysValues(W, W, H)
    theirs = nn.TransformerDecoderLayer(W, H, MLP, dropout=0, batch_first=True)
    copy_attention(ours.to_queries, ours.own, theirs.self_attn)
    copy_attention(ours.to_prefix, source, theirs.multihead_attn)
    pairs = [
        (ours.up, theirs.linear1),
        (ours.down, theirs.linear2),
        (ours.norm_queries, theirs.norm1),
        (ours.norm_prefix, theirs.norm2),
        (ours.norm_mlp, theirs.norm3),
    ]
    for mine, other in pairs:
        other.load_state_dict(mine.state_dict())
    return ours, source, theirs


def test_layer_of_act_is_torchs_decoder_layer_where_nothing_has_a_place():
    ours, source, theirs = act_layers()
    queries, tokens, padding = example()
    expected = theirs(queries, tokens, memory_key_padding_mask=padding)
    actual = ours(queries, torch.zeros(1, K, W), source(tokens), ~padding[:, None, None])
    torch.testing.assert_close(actual, expected)


def test_places_are_in_what_asks_and_what_is_asked_for_but_not_in_what_is_said():
    ours, source, theirs = act_layers()
    queries, tokens, padding = example()
    slots, places = torch.randn(1, K, W), torch.randn(3, 7, W)
    placed = queries + slots
    expected = theirs.norm1(queries + theirs.self_attn(placed, placed, queries)[0])
    found, _ = theirs.multihead_attn(expected + slots, tokens + places, tokens, key_padding_mask=padding)
    expected = theirs.norm2(expected + found)
    expected = theirs.norm3(expected + theirs.linear2(theirs.linear1(expected).relu()))
    memory = source(tokens, tokens + places)
    torch.testing.assert_close(ours(queries, slots, memory, ~padding[:, None, None]), expected)


def test_queries_of_act_are_empty_for_an_empty_chunk_and_every_layer_counts():
    net = act_decoder.Config(width=W, heads=H, mlp=MLP, layers=3).build(ToyTrunk(), K, A)
    seen = []
    net.get_submodule("layers.0").register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    prefix = ToyTrunk().prefix(torch.randn(2, 2))
    chunk = net(torch.zeros(2, K, A), torch.zeros(2), prefix)
    assert not seen[0].any()
    for layer in range(3):
        weight = net.get_submodule(f"layers.{layer}.down").get_parameter("weight")
        assert torch.autograd.grad(chunk.sum(), weight, retain_graph=True)[0].any()


@pytest.mark.parametrize("config", [act_decoder.Config(W, heads=H), dp_transformer.Config(W, heads=H)])
def test_tokens_of_the_prefix_are_told_apart_by_their_place(config):
    net, prefix = config.build(ToyTrunk(), K, A), ToyTrunk().prefix(torch.randn(2, 2))
    moved = dataclasses.replace(prefix, positions=prefix.positions + 1)
    here, there = net.prepare(prefix).memories[0], net.prepare(moved).memories[0]
    assert (here.keys != there.keys).any(dim=-1).all()
    if isinstance(config, act_decoder.Config):
        assert torch.equal(here.values, there.values)


# Diffusion Policy


def test_layer_of_diffusion_policy_is_torchs_decoder_layer_with_the_norm_first():
    torch.manual_seed(1)
    ours = dp_transformer.Layer(dp_transformer.Config(width=W, heads=H, mlp=MLP))
    source = KeysValues(W, W, H)
    theirs = nn.TransformerDecoderLayer(W, H, MLP, 0, "gelu", batch_first=True, norm_first=True)
    copy_attention(ours.to_earlier, ours.own, theirs.self_attn)
    copy_attention(ours.to_condition, source, theirs.multihead_attn)
    pairs = [
        (ours.mlp[0], theirs.linear1),
        (ours.mlp[2], theirs.linear2),
        (ours.norm_earlier, theirs.norm1),
        (ours.norm_condition, theirs.norm2),
        (ours.norm_mlp, theirs.norm3),
    ]
    for mine, other in pairs:
        other.load_state_dict(mine.state_dict())
    tokens, condition, padding = example()
    later = torch.ones(K, K, dtype=torch.bool).triu(1)
    expected = theirs(tokens, condition, tgt_mask=later, memory_key_padding_mask=padding)
    torch.testing.assert_close(ours(tokens, source(condition), ~padding[:, None, None]), expected)


def test_time_is_a_token_that_every_action_sees_beside_the_prefix():
    net = dp_transformer.Config(width=W, heads=H, mlp=MLP, layers=1).build(ToyTrunk(), K, A)
    conditions = []
    net.get_submodule("layers.0").register_forward_pre_hook(lambda m, inputs: conditions.append(inputs[1:]))
    prefix = ToyTrunk().prefix(torch.randn(2, 2))
    for t in (0.0, 1.0):
        net(torch.zeros(2, K, A), torch.full((2,), t), prefix)
    (early, seen), (late, _) = conditions
    assert torch.equal(seen[:, 0, 0, 1:], prefix.mask)
    assert seen[:, 0, 0, 0].all()
    changed = (early.keys != late.keys).any(dim=-1)
    assert changed[:, :, 0].all()
    assert not changed[:, :, 1:].any()


# DiT


def woken(block: dit.Block) -> tuple[nn.MultiheadAttention, nn.MultiheadAttention, KeysValues, torch.Tensor]:
    """Makes time count in a block. Torch's attentions with its weights, among the actions and to the prefix,
    what makes the latter's keys and values, and an embedded time."""
    source, time = KeysValues(W, W, H), torch.randn(3, W)
    nn.init.normal_(block.modulation.weight)
    among, across = (nn.MultiheadAttention(W, H, batch_first=True) for _ in range(2))
    copy_attention(block.to_actions, block.own, among)
    copy_attention(block.to_prefix, source, across)
    return among, across, source, time


@pytest.mark.parametrize("attention", ["both", "alternate"])
def test_blocks_of_a_dit_start_as_the_identity_and_the_network_as_zero(attention):
    net = dit.Config(width=W, heads=H, mlp=MLP, attention=attention).build(ToyTrunk(), K, A)
    passed = []
    for block in net.blocks:
        block.register_forward_hook(lambda module, inputs, output: passed.append((inputs[0], output)))
    chunk = net(torch.randn(2, K, A), torch.rand(2), ToyTrunk().prefix(torch.randn(2, 2)))
    assert not chunk.any()
    assert len(passed) == 3
    assert all(torch.equal(before, after) for before, after in passed)


def test_a_block_shifts_scales_and_gates_each_sublayer_in_turn():
    torch.manual_seed(1)
    block = dit.Block(dit.Config(width=W, heads=H, mlp=MLP))
    among, across, source, time = woken(block)
    tokens, prefix, padding = example()
    sublayers = [
        lambda z: among(z, z, z)[0],
        lambda z: across(z, prefix, prefix, key_padding_mask=padding)[0],
        block.mlp,
    ]
    changes = block.modulation(time).view(3, 9, 1, W)
    expected = tokens
    for i, sublayer in enumerate(sublayers):
        shift, scale, gate = (changes[:, 3 * i + j] for j in range(3))
        expected = expected + gate * sublayer(nn.LayerNorm(W)(expected) * (1 + scale) + shift)
    actual = block(tokens, time, source(prefix), ~padding[:, None, None])
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


def test_alternating_blocks_look_at_the_prefix_first_and_have_an_mlp_behind_each_attention():
    block = dit.AlternatingBlock(dit.Config(width=W, heads=H, mlp=MLP))
    nn.init.normal_(block.modulation.weight)
    order = []
    for name in ("to_prefix", "mlp", "to_actions", "mlp_actions"):
        block.get_submodule(name).register_forward_hook(lambda *_, name=name: order.append(name))
    tokens, prefix, padding = example()
    block(tokens, torch.randn(3, W), KeysValues(W, W, H)(prefix), ~padding[:, None, None])
    assert order == ["to_prefix", "mlp", "to_actions", "mlp_actions"]


# GR00T's DiT


def test_time_modulates_what_comes_into_the_attentions_of_groot_and_no_mlp():
    torch.manual_seed(1)
    block = groot_dit.Block(groot_dit.Config(width=W, heads=H, mlp=MLP))
    among, across, source, time = woken(block)
    tokens, prefix, padding = example()
    norm, changes = nn.LayerNorm(W), block.modulation(time).view(3, 4, 1, W)
    z = norm(tokens) * (1 + changes[:, 1]) + changes[:, 0]
    expected = tokens + across(z, prefix, prefix, key_padding_mask=padding)[0]
    expected = expected + block.mlp(norm(expected))
    z = norm(expected) * (1 + changes[:, 3]) + changes[:, 2]
    expected = expected + among(z, z, z)[0]
    expected = expected + block.mlp_actions(norm(expected))
    actual = block(tokens, time, source(prefix), ~padding[:, None, None])
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


def test_a_policy_moves_the_first_of_groots_robots():
    net = groot_dit.Config(width=W, heads=H, mlp=MLP, robots=3).build(ToyTrunk(), K, A)
    nn.init.normal_(net.get_parameter("action_out.2.weight"))
    net(torch.randn(2, K, A), torch.rand(2), ToyTrunk().prefix(torch.randn(2, 2))).square().sum().backward()
    layers = [layer for layer in net.modules() if isinstance(layer, groot_dit.RobotLinear)]
    assert len(layers) == 5
    for layer in layers:
        grad = layer.weight.grad
        assert grad is not None
        assert grad[0].any()
        assert not grad[1:].any()


def test_a_memory_made_once_holds_for_every_step():
    net = dit.Config(width=W, heads=H, mlp=MLP).build(ToyTrunk(), K, A)
    prefix = ToyTrunk().prefix(torch.randn(2, 2))
    calls = []
    net.get_submodule("prefix.0").register_forward_hook(lambda *_: calls.append(1))
    known = net.prepare(prefix)
    assert isinstance(known, _attention.AttendedPrefix)
    for _ in range(3):
        net(torch.randn(2, K, A), torch.rand(2), known)
    assert len(calls) == 1
