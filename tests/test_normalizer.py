"""Normalising is undone exactly, and a checkpoint keeps its own mode."""

import numpy as np
import pytest
import torch
from statistics_of import statistics

from vlasandbox.policies.normalizer import Normalizer, blank_stats

MODES = ["quantile", "min_max", "z_score", "none"]


@pytest.fixture
def values() -> np.ndarray:
    """Columns: normal, uniform far from 0, constant, and -1 in all but 3 of 1000 rows."""
    rng = np.random.default_rng(0)
    rare = np.full(1000, -1.0)
    rare[[10, 500, 900]] = 1
    return np.stack([rng.normal(size=1000), rng.uniform(50, 60, 1000), np.full(1000, 0.1), rare], axis=1)


@pytest.mark.parametrize("mode", MODES)
def test_values_come_back(mode, values):
    normalizer = Normalizer(mode, statistics(values))
    x = torch.tensor(values, dtype=torch.float32)
    torch.testing.assert_close(normalizer.unnormalize(normalizer.normalize(x)), x, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(("mode", "low", "high"), [("quantile", "q01", "q99"), ("min_max", "min", "max")])
def test_the_ends_of_the_range_become_minus_one_and_one(mode, low, high, values):
    stats = statistics(values)
    normalizer = Normalizer(mode, stats)
    ends = normalizer.normalize(torch.tensor(np.stack([stats[low], stats[high]]), dtype=torch.float32))
    torch.testing.assert_close(ends[:, :2], torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))


def test_z_scores_have_mean_zero_and_deviation_one(values):
    normalizer = Normalizer("z_score", statistics(values))
    z = normalizer.normalize(torch.tensor(values, dtype=torch.float32))[:, [0, 1, 3]]
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(3))


@pytest.mark.parametrize("mode", ["quantile", "min_max", "z_score"])
def test_a_constant_dimension_becomes_zero_and_comes_back_exactly(mode, values):
    normalizer = Normalizer(mode, statistics(values))
    x = torch.tensor(values, dtype=torch.float32)
    assert not normalizer.normalize(x)[:, 2].any()
    anything = torch.randn(5, 4) * 100
    assert torch.equal(normalizer.unnormalize(anything)[:, 2], torch.full((5,), 0.1))
    assert normalizer.normalize(x + 1)[:, 2].abs().max() == 0, "even if it is not constant in use"


def test_a_rare_event_is_not_mistaken_for_a_constant(values):
    normalizer = Normalizer("quantile", statistics(values))
    x = torch.tensor([[0.0, 55, 0.1, 1.0], [0, 55, 0.1, -1]])
    assert normalizer.normalize(x)[:, 3].tolist() == [1, -1]


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_clipped(mode, values):
    normalizer = Normalizer(mode, statistics(values))
    beyond = torch.tensor([[9.0, 99.0, 0.1, 5.0]])
    torch.testing.assert_close(normalizer.unnormalize(normalizer.normalize(beyond)), beyond)


@pytest.mark.parametrize("mode", MODES)
def test_statistics_travel_with_the_weights(mode, values):
    normalizer = Normalizer(mode, statistics(values))
    again = Normalizer(mode, blank_stats(4))
    again.load_state_dict(normalizer.state_dict())
    x = torch.tensor(values, dtype=torch.float32)
    assert torch.equal(again.normalize(x), normalizer.normalize(x))


@pytest.mark.parametrize("saved", MODES)
@pytest.mark.parametrize("mode", MODES)
def test_weights_of_another_mode_are_refused(saved, mode, values):
    state = torch.nn.ModuleDict({"action": Normalizer(saved, statistics(values))}).state_dict()
    target = torch.nn.ModuleDict({"action": Normalizer(mode, blank_stats(4))})
    if saved == mode:
        target.load_state_dict(state)
        return
    with pytest.raises(ValueError, match=f"action: .*saved with mode '{saved}', the config says '{mode}'"):
        target.load_state_dict(state)


@pytest.mark.parametrize("mode", ["quantile", "min_max", "z_score"])
def test_noise_of_what_barely_moves_does_not_look_like_a_leap(mode):
    rng = np.random.default_rng(0)
    still = 0.5 + 1e-5 * rng.normal(size=1000)
    far = 2000 + 1e-3 * rng.normal(size=1000)
    normalizer = Normalizer(mode, statistics(np.stack([rng.normal(size=1000), still, far], axis=1)))
    x = torch.tensor([[0.0, 0.5 + 3e-4, 2000.25]])
    assert normalizer.normalize(x).abs().max() < 1
    torch.testing.assert_close(normalizer.unnormalize(normalizer.normalize(x)), x)


@pytest.mark.parametrize("noise", [0.0, 1e-5, 1e-3])
def test_a_rare_event_among_noise_is_scaled_by_its_range(noise, values):
    rng = np.random.default_rng(1)
    noisy = values + noise * rng.normal(size=values.shape)
    z = Normalizer("quantile", statistics(noisy)).normalize(torch.tensor(noisy, dtype=torch.float32))
    assert z[:, 3].abs().max() < 1.01
    assert z[500, 3] > 0.9


def test_dimensions_that_move_alike_keep_their_scale(values):
    """To 1 : 1000 nothing is changed: a precise axis is not flattened."""
    stats = statistics(values[:, :1] * [1.0, 0.01, 0.0021] + [0, 0.5, 0.5])
    scale = Normalizer("z_score", stats).scale
    torch.testing.assert_close(scale, torch.tensor(stats["std"], dtype=torch.float32))
