"""The bin codec: ids and values, there and back."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vlasandbox.policies import codecs
from vlasandbox.policies.codecs import bins


@given(count=st.integers(2, 1000), low=st.floats(-5, 4), span=st.floats(0.1, 10))
def test_every_id_survives_decoding_and_encoding(count: int, low: float, span: float):
    codec = bins.Config(count, low, low + span).build()
    ids = torch.arange(count).view(1, -1, 1)
    assert torch.equal(codec.encode(codec.decode(ids)), ids)


@given(count=st.integers(2, 1000), values=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30))
def test_a_value_within_the_range_comes_back_within_half_a_bin(count: int, values: list[float]):
    codec = bins.Config(count).build()
    actions = torch.tensor(values).view(1, -1, 1)
    ids = codec.encode(actions)
    assert ((ids >= 0) & (ids < count)).all()
    assert (codec.decode(ids) - actions).abs().max() <= 1 / count + 1e-6


def test_rounding_is_to_the_nearest_centre():
    codec = bins.Config(7, -2.0, 5.0).build()
    actions = torch.linspace(-2, 5, 1001)[1:-1].view(1, -1, 1)
    centres = codec.decode(torch.arange(7).view(1, -1, 1)).flatten()
    chosen = (codec.decode(codec.encode(actions)).flatten() - actions.flatten()).abs()
    nearest = (actions.flatten()[:, None] - centres).abs().amin(dim=1)
    torch.testing.assert_close(chosen, nearest, atol=1e-5, rtol=0)


def test_errors_are_unbiased():
    codec = bins.Config().build()
    actions = (torch.rand(1, 100_000, 1, generator=torch.Generator().manual_seed(0)) * 2) - 1
    error = codec.decode(codec.encode(actions)) - actions
    assert error.mean().abs() < 1e-4  # half a bin, the bias of a floor, is 39e-4


def test_what_lies_outside_is_clipped_to_the_first_or_last_bin():
    codec = bins.Config().build()
    ids = codec.encode(torch.tensor([[[-3.0], [-1.0], [1.0], [3.0]]])).flatten()
    assert ids.tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize(("options", "bad"), [({"bins": 1}, "got 1"), ({"low": 2.0}, r"got \[2.0, 1.0\]")])
def test_empty_codecs_are_rejected(options: dict[str, float], bad: str):
    with pytest.raises(ValueError, match=bad):
        bins.Config(**options).build()  # pyright: ignore[reportArgumentType]


def test_folder_lists_the_codec():
    assert codecs.names() == ["bins"]
    assert codecs.default_config("bins") == bins.Config()
