"""The contract every action head fulfils, whatever its representation; a new file in heads/ is tested by
this too."""

import copy
import dataclasses
from functools import cache

import pytest
import torch
from toy_trunk import Recorded, ToyTrunk, fit

from vlasandbox.policies import heads
from vlasandbox.policies.codec import hold
from vlasandbox.policies.codecs import fast, quantiles, text, vq
from vlasandbox.policies.execution import Execution
from vlasandbox.policies.head import ActionHead, HeadConfig, draw_noise, masked_mean, stratified_uniform
from vlasandbox.policies.heads import flow, tokens
from vlasandbox.policies.network import ActionNetwork
from vlasandbox.policies.networks import expert

K, A, T = 4, 2, 6
DRAWS = 64
SMALL = expert.Config(width=32, mlp=64)
VARIANTS: dict[str, tuple[str, dict[str, object]]] = {name: (name, {}) for name in heads.names()} | {
    "regression, l2": ("regression", {"loss": "l2"}),
    "flow, uniform": ("flow", {"time": "uniform"}),
    "flow, shifted": ("flow", {"time": "shifted", "steps": 4}),
    "diffusion, epsilon": ("diffusion", {"prediction": "epsilon"}),
    "diffusion, sample": ("diffusion", {"prediction": "sample"}),
    "diffusion, ddpm, linear": (
        "diffusion",
        {"sampler": "ddpm", "schedule": "linear", "prediction": "sample", "bound": 5.0},
    ),
    "discrete_diffusion, vq": ("discrete_diffusion", {"codec": vq.Config(steps=300), "rounds": 3}),
    "discrete_diffusion, warm": ("discrete_diffusion", {"temperature": 0.2}),
    "tokens, parallel, smooth": (
        "tokens",
        {"decoding": "parallel", "smoothing": 2.0, "decode": "expectation"},
    ),
    "tokens, autoregressive": ("tokens", {"decoding": "autoregressive"}),
    "tokens, autoregressive, warm": ("tokens", {"decoding": "autoregressive", "temperature": 0.2}),
    "tokens, placeholder": ("tokens", {"decoding": "placeholder"}),
    "tokens, quantiles": ("tokens", {"codec": quantiles.Config(bins=64), "smoothing": 1.0}),
    "tokens, vq": ("tokens", {"codec": vq.Config(steps=300)}),
    "tokens, vq, warm": (
        "tokens",
        {"codec": vq.Config(steps=300), "decoding": "autoregressive", "temperature": 0.1},
    ),
    "tokens, text": ("tokens", {"codec": text.Config(levels=201), "decoding": "autoregressive"}),
    "tokens, fast": ("tokens", {"codec": fast.Config(), "decoding": "autoregressive"}),
    "tokens, fast, free and warm": (
        "tokens",
        {"codec": fast.Config(), "decoding": "autoregressive", "grammar": False, "temperature": 0.1},
    ),
    "insulated, bins": ("insulated", {"tokens": tokens.Config()}),
}
UNREACHED = {name: {"network.action_in"} for name in ("regression", "regression, l2", "cvae")}
"""Weights without influence: regression's network is flow's, fed zeros."""

every_head = pytest.mark.parametrize("variant", VARIANTS)


def config(variant: str) -> HeadConfig:
    name, options = VARIANTS[variant]
    base = heads.default_config(name)
    if hasattr(base, "network"):
        options = options | {"network": SMALL}
    if hasattr(base, "clusters"):  # of six chunks
        options = options | {"clusters": 3}
    if hasattr(base, "flow"):
        options = options | {"flow": flow.Config(SMALL)}
    return dataclasses.replace(base, **options)  # pyright: ignore[reportArgumentType]


def build(variant: str) -> tuple[ActionHead, ToyTrunk]:
    return copy.deepcopy(built(variant))


@cache
def built(variant: str) -> tuple[ActionHead, ToyTrunk]:
    trunk = ToyTrunk()
    torch.manual_seed(2)
    head = config(variant).build(trunk, K, A)
    _, actions, mask = episode()
    head.fit(hold(actions, mask), generator())
    return head, trunk


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def generators(*seeds: int) -> list[torch.Generator]:
    return [generator(seed) for seed in seeds]


def episode() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """An episode whose action at step t says t, cut into windows: the observation is t too, and what lies
    beyond the last step is masked and filled with something that would do harm."""
    t = torch.arange(T)
    ahead = t[:, None] + torch.arange(K)
    mask = ahead <= T - 1
    actions = torch.where(mask, value_of(ahead), 0.9).unsqueeze(-1) * torch.tensor([1.0, -1.0])
    features = torch.stack([t / T, (t / T * 6).sin()], dim=1)
    return features, actions, mask


def value_of(step: torch.Tensor) -> torch.Tensor:
    return step / T * 1.6 - 0.7


@cache
def fitted(variant: str) -> tuple[ActionHead, ToyTrunk]:
    head, trunk = build(variant)
    fit(head, trunk, lambda _: episode(), steps=300)
    return head, trunk


@every_head
def test_loss_is_finite_per_row_and_metrics_are_detached_scalars(variant: str):
    head, trunk = build(variant)
    features, actions, mask = episode()
    loss, metrics = head.loss(trunk.prefix(features), actions, mask, generator())
    assert loss.shape == (T,)
    assert loss.isfinite().all()
    assert loss.dtype == torch.float32
    assert metrics
    assert all(m.ndim == 0 and not m.requires_grad and m.isfinite() for m in metrics.values())


@every_head
def test_loss_under_bfloat16_autocast_is_finite_float32_and_close(variant: str):
    head, trunk = build(variant)
    features, actions, mask = episode()
    exact, _ = head.loss(trunk.prefix(features), actions, mask, generator())
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = head.loss(trunk.prefix(features), actions, mask, generator())
    loss.mean().backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=0.05, atol=0.02)


@every_head
def test_masked_steps_have_no_influence_on_loss_or_gradient(variant: str):
    head, trunk = build(variant)
    features, actions, mask = episode()
    results = []
    for filling in (0.9, -0.3, float("nan")):
        filled = torch.where(mask.unsqueeze(-1), actions, filling)
        loss, _ = head.loss(trunk.prefix(features), filled, mask, generator())
        parameters = [*head.parameters(), *trunk.parameters()]
        results.append((loss, torch.autograd.grad(loss.sum(), parameters, allow_unused=True)))
    for loss, gradient in results[1:]:
        assert torch.equal(loss, results[0][0])
        for one, other in zip(gradient, results[0][1], strict=True):
            assert one is other is None or torch.equal(one, other)  # pyright: ignore[reportArgumentType]


@every_head
def test_a_row_without_a_valid_step_costs_nothing_and_teaches_nothing(variant: str):
    head, trunk = build(variant)
    features, actions, mask = episode()
    mask[2] = False
    loss, _ = head.loss(trunk.prefix(features), actions, mask, generator())
    assert loss[2] == 0
    gradient = torch.autograd.grad(loss[2], [*head.parameters()], allow_unused=True)
    assert all(g is None or (g == 0).all() for g in gradient)


@every_head
def test_gradient_reaches_every_head_parameter_and_the_trunk(variant: str):
    head, trunk = build(variant)
    features, actions, mask = episode()
    loss, _ = head.loss(trunk.prefix(features), actions, mask, generator())
    loss.mean().backward()
    silent = {n for n, p in head.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    assert silent == UNREACHED.get(variant, set())
    assert trunk.embed.weight.grad is not None
    assert trunk.embed.weight.grad.abs().sum() > 0


@every_head
def test_the_trunk_is_not_part_of_the_head(variant: str):
    head, trunk = build(variant)
    own = {id(p) for p in trunk.parameters()}
    assert not any(id(p) in own for p in head.parameters())
    assert not any("trunk" in key for key in head.state_dict())


@every_head
def test_same_generators_give_the_same_chunk(variant: str):
    head, trunk = build(variant)
    with torch.no_grad():
        prefix = trunk.prefix(episode()[0])
        first, second = (head.sample(prefix, generators(*range(T))) for _ in range(2))
    assert first.shape == (T, K, A)
    assert first.dtype == torch.float32
    assert torch.equal(first, second)


@every_head
def test_a_row_does_not_depend_on_the_rows_beside_it(variant: str):
    head, trunk = build(variant)
    features = episode()[0]
    with torch.no_grad():
        together = head.sample(trunk.prefix(features), generators(*range(10, 10 + T)))
        for row in (0, 4):  # even, so that the toy trunk gives it the same padding alone
            alone = head.sample(trunk.prefix(features[row : row + 1]), generators(10 + row))
            torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=1e-4)


@every_head
def test_sampling_agrees_with_and_without_autograd(variant: str):
    head, trunk = build(variant)
    prefix = trunk.prefix(episode()[0])
    watched = head.sample(prefix, generators(*range(T))).detach()
    with torch.inference_mode():
        unwatched = head.sample(prefix, generators(*range(T)))
    torch.testing.assert_close(watched, unwatched, atol=1e-5, rtol=1e-4)


@every_head
def test_evaluations_are_what_sampling_really_costs(variant: str, monkeypatch: pytest.MonkeyPatch):
    head, trunk = build(variant)
    calls = []
    extend = ToyTrunk.extend
    monkeypatch.setattr(ToyTrunk, "extend", lambda *args: (calls.append("extend"), extend(*args))[1])
    networks = []
    for module in list(head.modules()):
        for name, child in module.named_children():
            if isinstance(child, ActionNetwork):
                networks.append(Recorded(child))
                setattr(module, name, networks[-1])
    with torch.no_grad():
        # One row: rows of a batch may end at other ids.
        _, counts = head.sample_counted(trunk.prefix(episode()[0][:1]), generators(0))
    assert len(calls) + sum(len(network.calls) for network in networks) == counts.evaluations
    assert counts.evaluations <= head.num_function_evaluations


@pytest.mark.slow
@every_head
def test_overfits_one_batch_and_index_0_is_the_step_that_was_observed(variant: str):
    head, trunk = fitted(variant)
    features, actions, mask = episode()
    # The median of many: after so few updates one draw in three is off, and rounding decides which.
    with torch.no_grad():
        drawn = head.sample(trunk.prefix(features.repeat(DRAWS, 1)), generators(*range(DRAWS * T)))
    chunks = drawn.unflatten(0, (DRAWS, T)).median(dim=0).values
    assert (chunks - actions).abs()[mask].max() < 0.12
    # Steps are 1.6 / 6 = 0.27 apart: an off-by-one chunk would execute a neighbour's action.
    executed = [Execution(1).start().block(chunk.numpy())[0, 0] for chunk in chunks]
    nearest = [(value_of(torch.arange(T)) - float(a)).abs().argmin().item() for a in executed]
    assert nearest == list(range(T))


def test_folder_lists_the_heads_and_unknown_names_are_rejected_with_the_closest():
    assert {"bet", "cvae", "diffusion", "discrete_diffusion", "flow", "mip", "regression", "tokens"} <= set(
        heads.names()
    )
    with pytest.raises(ValueError, match=r"unknown head 'flaw'; valid: .*regression.* Did you mean 'flow'\?"):
        heads.default_config("flaw")
    assert heads.default_config("vlasandbox.policies.heads.flow") == heads.default_config("flow")


def test_masked_mean_divides_by_the_valid_count():
    values = torch.tensor([[[1.0, 3.0], [100.0, 100.0]], [[1.0, 2.0], [3.0, 6.0]]])
    mask = torch.tensor([[True, False], [True, True]])
    assert masked_mean(values, mask).tolist() == [2.0, 3.0]


def test_noise_of_a_row_comes_from_its_generator_alone():
    noise = draw_noise(generators(1, 2, 3), K, A)
    assert torch.equal(noise[1:2], draw_noise(generators(2), K, A))


def test_stratified_numbers_are_uniform_and_spread_over_each_row():
    u = stratified_uniform(2000, 4, generator())
    assert torch.equal((u * 4).floor().long(), torch.arange(4).expand(2000, 4))
    assert (u.flatten().sort().values - (torch.arange(8000) + 0.5) / 8000).abs().max() < 0.01
