"""The bin codec: ids and values, there and back."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vlasandbox.policies.codecs import bins


@given(count=st.integers(2, 1000), low=st.floats(-5, 4), span=st.floats(0.1, 10))
def test_every_id_survives_decoding_and_encoding(count: int, low: float, span: float):
    codec = bins.Config(count, low, low + span).build(1, 1)
    ids = torch.arange(count).view(1, -1)
    assert torch.equal(codec.encode(codec.decode(ids)[0]), ids)


@given(count=st.integers(2, 1000), values=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30))
def test_a_value_within_the_range_comes_back_within_half_a_bin(count: int, values: list[float]):
    codec = bins.Config(count).build(1, 1)
    actions = torch.tensor(values).view(1, -1, 1)
    ids = codec.encode(actions)
    assert ((ids >= 0) & (ids < count)).all()
    assert (codec.decode(ids)[0] - actions).abs().max() <= 1 / count + 1e-6


def test_rounding_is_to_the_nearest_centre():
    codec = bins.Config(7, -2.0, 5.0).build(1, 1)
    actions = torch.linspace(-2, 5, 1001)[1:-1].view(1, -1, 1)
    centres = codec.decode(torch.arange(7).view(1, -1))[0].flatten()
    chosen = (codec.decode(codec.encode(actions))[0] - actions).flatten().abs()
    nearest = (actions.flatten()[:, None] - centres).abs().amin(dim=1)
    torch.testing.assert_close(chosen, nearest, atol=1e-5, rtol=0)


def test_errors_are_unbiased():
    codec = bins.Config().build(1, 1)
    actions = (torch.rand(1, 100_000, 1, generator=torch.Generator().manual_seed(0)) * 2) - 1
    error = codec.decode(codec.encode(actions))[0] - actions
    assert error.mean().abs() < 1e-4  # half a bin, the bias of a floor, is 39e-4


def test_what_lies_outside_is_clipped_to_the_first_or_last_bin():
    codec = bins.Config().build(1, 1)
    ids = codec.encode(torch.tensor([[[-3.0], [-1.0], [1.0], [3.0]]])).flatten()
    assert ids.tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize(("options", "bad"), [({"bins": 1}, "got 1"), ({"low": 2.0}, r"got \[2.0, 1.0\]")])
def test_empty_codecs_are_rejected(options: dict[str, float], bad: str):
    with pytest.raises(ValueError, match=bad):
        bins.Config(**options).build(1, 1)  # pyright: ignore[reportArgumentType]


ROUND_TRIP = torch.linspace(-1, 1, 20_001).view(1, -1, 1)


@pytest.mark.parametrize(
    ("convention", "width", "bias"),
    [("centre", 2 / 256, 0.0), ("rt1", 2 / 255, -1 / 255), ("openpi", 2 / 256, -1 / 256)],
)
def test_published_conventions_keep_their_bias(convention, width: float, bias: float):
    codec = bins.Config(convention=convention).build(1, 1)
    error = codec.decode(codec.encode(ROUND_TRIP))[0] - ROUND_TRIP
    assert error.mean().item() == pytest.approx(bias, abs=2e-5)
    assert error.abs().max() <= (width / 2 if convention == "centre" else width) + 1e-6


def test_rt1_gives_its_last_bin_to_the_maximum_alone():
    codec = bins.Config(convention="rt1").build(1, 1)
    ids = codec.encode(torch.tensor([[[-1.0], [0.0], [0.999], [1.0]]]))
    assert ids.tolist() == [[0, 127, 254, 255]]


def test_255_bins_are_openvlas():
    edges = np.linspace(-1, 1, 256)
    centres = (edges[1:] + edges[:-1]) / 2
    actions = np.random.default_rng(0).uniform(-1.2, 1.2, 5000)
    theirs = centres[np.clip(np.digitize(np.clip(actions, -1, 1), edges) - 1, 0, 254)]
    codec = bins.Config(bins=255).build(1, 1)
    ours = codec.decode(codec.encode(torch.from_numpy(actions).view(1, -1, 1)))[0].flatten()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    inside = np.abs(actions) <= 1
    assert np.abs(ours.numpy() - actions)[inside].max() <= 1 / 255 + 1e-6
