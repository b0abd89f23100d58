"""The average follows parameters and floating buffers."""

import pytest
import torch
from torch import nn

from vlasandbox.train.ema import EMA, persistent_tensors


class Tied(nn.Module):
    """Two names for one weight, a saved buffer, and one that is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.second = nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight
        self.register_buffer("kept", torch.zeros(1))
        self.register_buffer("bias_mask", torch.full((1,), -torch.inf), persistent=False)


def test_average_follows_the_recursion():
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    ema = EMA(model, decay=0.5)
    expected = 0.0
    for step in range(20):
        model.weight.data.fill_(step + 1.0)
        ema.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * (step + 1.0)
        assert ema.tensors["weight"].item() == pytest.approx(expected, rel=1e-6)


def test_batchnorm_statistics_are_averaged_and_its_counter_copied():
    model = nn.BatchNorm1d(2)
    ema = EMA(model, decay=0.99)
    for step in range(5):
        model(torch.randn(8, 2, generator=torch.Generator().manual_seed(step)) + 10)
        ema.update(step)
    start, live = torch.zeros(2), persistent_tensors(model)["running_mean"]
    average = ema.tensors["running_mean"]
    assert ((average > start) & (average < live)).all()
    assert ema.tensors["num_batches_tracked"].item() == 5


def test_early_average_is_near_the_model_and_not_the_initialisation():
    model = nn.Linear(1, 1, bias=False)
    ema = EMA(model, decay=0.999)
    model.weight.data.fill_(100.0)
    for step in range(10):
        ema.update(step)
    assert ema.tensors["weight"].item() == pytest.approx(100, rel=0.01)


def test_constant_tensors_stay_bit_identical():
    model = nn.Module()
    model.register_buffer("statistics", torch.tensor([0.1, 1 / 3, -7e-9]))
    before = persistent_tensors(model)["statistics"].clone()
    ema = EMA(model, decay=0.99)
    for step in range(100):
        ema.update(step)
    assert torch.equal(ema.tensors["statistics"], before)


def test_decay_zero_is_a_plain_copy():
    model = nn.Linear(3, 3)
    ema = EMA(model, decay=0.0)
    model.weight.data.normal_()
    ema.update(7)
    assert torch.equal(ema.tensors["weight"], model.weight)


def test_tied_weights_appear_once_and_unsaved_buffers_never():
    assert list(persistent_tensors(Tied())) == ["first.weight", "kept"]


def test_averages_replace_the_model_tensors_and_keep_ties():
    model = Tied()
    ema = EMA(model, decay=0.9)
    ema.tensors["first.weight"].fill_(5.0)
    ema.copy_to_model()
    assert (model.second.weight == 5).all()
    assert model.second.weight is model.first.weight
