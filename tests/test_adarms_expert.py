"""The action expert of pi0.5: time in the norms."""

import torch
from toy_trunk import ToyTrunk

from vlasandbox.policies.networks import adarms_expert
from vlasandbox.policies.networks.adarms_expert import AdaRMSLayer

K, A, W = 3, 2, 24


def build(trunk: ToyTrunk) -> adarms_expert.AdaRMSExpert:
    torch.manual_seed(1)
    return adarms_expert.Config(width=W, mlp=40).build(trunk, K, A)


def normed(tokens: torch.Tensor) -> torch.Tensor:
    mean, variance = tokens.mean(-1, keepdim=True), tokens.var(-1, keepdim=True, unbiased=False)
    return (tokens - mean) / (variance + 1e-5).sqrt()


def test_layers_start_as_the_identity_and_the_output_as_that_of_the_normed_inputs():
    trunk = ToyTrunk()
    net = build(trunk)
    passed = []
    for layer in net.layers:
        layer.register_forward_hook(lambda module, inputs, output: passed.append((inputs[0], output)))
    x = torch.randn(4, K, A)
    out = net(x, torch.rand(4), trunk.prefix(torch.randn(4, 2)))
    assert len(passed) == trunk.num_layers
    assert all(torch.equal(before, after) for before, after in passed)
    torch.testing.assert_close(out, net.action_out(normed(net.action_in(x) + net.slots)))


def test_time_scales_shifts_and_gates_each_sublayer():
    trunk = ToyTrunk()
    net = build(trunk)
    torch.nn.init.normal_(net.modulation.weight, std=0.1)
    torch.nn.init.normal_(net.modulation.bias, std=0.1)
    x, t, prefix = torch.randn(4, K, A), torch.rand(4), trunk.prefix(torch.randn(4, 2))
    known = net.prepare(prefix)
    time = net.modulation(net.time(t)).view(4, 1, 6 * trunk.num_layers + 2, W)
    tokens = net.action_in(x) + net.slots
    for i, layer in enumerate(net.layers):
        assert isinstance(layer, AdaRMSLayer)
        scale, shift, gate, scale_mlp, shift_mlp, gate_mlp = time[:, :, 6 * i : 6 * i + 6].unbind(2)
        qkv = (normed(tokens) * (1 + scale) + shift) @ layer.qkv.T
        tokens = tokens + gate * (layer.attend(qkv, known, i).view(4, K, -1) @ layer.out.T)
        swish, up = ((normed(tokens) * (1 + scale_mlp) + shift_mlp) @ layer.gate_up.T).chunk(2, dim=-1)
        tokens = tokens + gate_mlp * ((swish * swish.sigmoid() * up) @ layer.down.T)
    expected = net.action_out(normed(tokens) * (1 + time[:, :, -2]) + time[:, :, -1])
    torch.testing.assert_close(net(x, t, prefix), expected, atol=1e-5, rtol=1e-4)


def test_time_passes_through_two_layers_with_a_swish_behind_each():
    net = build(ToyTrunk())
    t = torch.rand(4)
    sines, first, _, second, _ = net.time
    inner = first(sines(t))
    inner = second(inner * inner.sigmoid())
    torch.testing.assert_close(net.time(t), inner * inner.sigmoid())
