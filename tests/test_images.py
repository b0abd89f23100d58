"""Images reach the encoder by one function, the same bits every time."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlasandbox.vision.images import resize_uint8
from vlasandbox.vision.tensors import random_shift, to_float


def images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def area_by_repetition(image: np.ndarray, size: int) -> np.ndarray:
    """Area average in whole numbers: repeat every pixel `size` times, then average blocks of the old side."""
    side = len(image)
    big = image.astype(np.int64).repeat(size, 0).repeat(size, 1)
    sums = big.reshape(size, side, size, side, -1).sum((1, 3))
    return ((2 * sums + side**2) // (2 * side**2)).astype(np.uint8)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(deadline=None, max_examples=30)
@given(side=st.integers(1, 24), size=st.integers(1, 24), seed=st.integers(0, 9))
def test_resizing_is_the_exact_rounded_area_average(side, size, seed):
    image = images(side, side, 3, seed=seed)
    np.testing.assert_array_equal(resize_uint8(image, size), area_by_repetition(image, size))


def test_resizing_rounds_halves_upwards():
    image = np.array([[0, 1], [0, 1]], np.uint8)[..., None]
    assert resize_uint8(image, 1).item() == 1


@pytest.mark.parametrize("side", [96, 224, 300])
def test_a_pixel_does_not_depend_on_the_other_images(side):
    batch = images(3, 2, side, side, 3)
    together = resize_uint8(batch, 64)
    assert together.shape == (3, 2, 64, 64, 3)
    for i in range(3):
        for view in range(2):
            np.testing.assert_array_equal(resize_uint8(batch[i, view], 64), together[i, view])


def test_an_image_of_the_right_size_is_left_alone():
    image = images(8, 8, 3)
    np.testing.assert_array_equal(resize_uint8(image, 8), image)


@pytest.mark.parametrize("transposed", [False, True])
def test_an_image_that_is_not_square_keeps_its_shape_between_black_bars(transposed):
    image = np.full((24, 48, 3), 200, np.uint8)
    resized = resize_uint8(image.swapaxes(0, 1) if transposed else image, 16)
    if transposed:
        resized = resized.swapaxes(0, 1)
    assert (resized[4:12] == 200).all()
    assert not resized[:4].any()
    assert not resized[12:].any()


def test_scaling_maps_the_range_of_a_byte_to_minus_one_and_one():
    pixels = torch.tensor([0, 255, 51], dtype=torch.uint8).expand(1, 1, 2, 2, 3)
    scaled = to_float(pixels)
    assert scaled.shape == (1, 1, 3, 2, 2)
    torch.testing.assert_close(scaled[0, 0, :, 0, 0], torch.tensor([-1.0, 1.0, -0.6]))


def test_a_shift_moves_content_by_the_offset_it_returns_and_repeats_the_edge():
    source = torch.from_numpy(images(8, 2, 16, 16, 3))
    moved, offset = random_shift(source, generator(), pixels=4)
    steps = (offset * 16).round().long()
    assert steps.min() == -4
    assert steps.max() == 4
    assert len(steps.flatten(0, 1).unique(dim=0)) > 8, "each view has its own shift"
    for b in range(8):
        for v in range(2):
            right, down = steps[b, v].tolist()
            rows = (torch.arange(16) - down).clamp(0, 15)
            columns = (torch.arange(16) - right).clamp(0, 15)
            assert torch.equal(moved[b, v], source[b, v][rows][:, columns])


def test_a_label_moved_by_the_offset_stays_on_its_pixel():
    source = torch.zeros(16, 1, 16, 16, 1, dtype=torch.uint8)
    source[:, :, 6, 9] = 255
    moved, offset = random_shift(source, generator(3))
    uv = torch.tensor([9.5 / 16, 6.5 / 16]) + offset
    column, row = (uv * 16).long().unbind(-1)
    assert (moved[torch.arange(16), 0, row[:, 0], column[:, 0]] == 255).all()


def test_a_shift_is_a_function_of_its_generator():
    source = torch.from_numpy(images(4, 2, 8, 8, 3))
    first, second, other = (random_shift(source, generator(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
