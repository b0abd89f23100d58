"""Several datasets mixed by weight, from the flags to the frames."""

import json
from pathlib import Path

import numpy as np
import pytest
from foreign_datasets import Foreign

from vlasandbox.train.cli import main
from vlasandbox.train.config import DataConfig, stored_settings
from vlasandbox.train.data.merge import Merged, mixture, open_data
from vlasandbox.train.data_sources import sources


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Datasets of 20 and 60 frames."""
    folder = tmp_path_factory.mktemp("data")
    lengths = {"short": (12, 8), "long": (20, 20, 20)}
    for seed, (name, sizes) in enumerate(lengths.items()):
        Foreign(lengths=sizes, files=(0,) * len(sizes), seed=seed).write(folder / name)
    return folder / "short", folder / "long"


@pytest.mark.parametrize("weights", [(3.0, 1.0), (1.0, 1.0), (0.001, 1.0), (1.0, 7.3)])
def test_frames_are_drawn_as_often_as_the_weights_say(roots, weights):
    data = open_data(roots[0], [roots[1]], weights)
    epochs = [data.order(0, epoch) for epoch in range(30)]
    assert all(len(epoch) == 80 for epoch in epochs)
    drawn = np.concatenate(epochs)
    counts = np.bincount(drawn, minlength=80)
    assert abs(counts[:20].sum() - 30 * 80 * weights[0] / sum(weights)) < 1
    for part in (counts[:20], counts[20:]):  # within a dataset every frame as often as every other
        assert part.max() - part.min() <= 1
    assert all(np.array_equal(data.order(0, epoch), epochs[epoch]) for epoch in range(4))


def test_without_weights_it_is_as_for_a_folder_of_them(roots):
    together = open_data(roots[0].parent)
    listed = open_data(roots[1], [roots[0]])  # a folder's come by their names
    assert listed.fingerprint == together.fingerprint
    assert np.array_equal(listed.order(3, 1), together.order(3, 1))


def test_a_source_of_several_datasets_keeps_their_proportions(roots):
    folder = open_data(roots[0].parent)
    whole = open_data(roots[0].parent, [roots[0]], (3.0, 1.0))
    grown = mixture(folder, [open_data(roots[0])], 0.25)
    assert isinstance(folder, Merged)
    assert isinstance(whole, Merged)
    assert isinstance(grown, Merged)
    assert len(whole.parts) == 3
    assert np.allclose(whole.shares, [*(0.75 * x for x in folder.shares), 0.25])
    assert grown.shares == whole.shares


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("a",), (["a"], ())),
        (("a=2",), (["a"], ())),
        (("a", "b/c"), (["a", "b/c"], ())),
        (("a=3", "lerobot/pusht=0.5"), (["a", "lerobot/pusht"], (3.0, 0.5))),
    ],
)
def test_what_the_flag_says(given, expected):
    fields = sources(given)
    assert [str(path) for path in (fields["root"], *fields["others"])] == expected[0]
    assert fields["weights"] == expected[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("a=2", "b"), "give each dataset a weight, or none of them"),
        (("a=x", "b=1"), "the weight 'x' is not a number"),
    ],
)
def test_a_flag_that_says_nothing_clear_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        sources(given)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 0.0), (1.0, -1.0), (1.0, float("inf")), (1.0, 1.0, 1.0)])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(ValueError, match=r"data\.weights must be 2 numbers above 0"):
        DataConfig(Path("a"), others=(Path("b"),), weights=weights)


def test_a_mixture_trains_and_goes_on_with_the_same_shares_alone(roots, tmp_path, capsys):
    def train(*data: str, updates: int = 2) -> int:
        return main(
            ["train", "debug", "--data", *data, "--out", str(tmp_path / "run"), "--updates", str(updates)]
        )

    mixed = [f"{roots[0]}=3", f"{roots[1]}=1"]
    assert train(*mixed) == 0
    stored = stored_settings(tmp_path / "run/config.json")["data"]
    assert (stored["others"], stored["weights"]) == ([str(roots[1])], [3.0, 1.0])
    assert json.loads((tmp_path / "run/summary.json").read_text())["frames"] == 80
    assert train(*mixed) == 0
    assert train(f"{roots[0]}=1", f"{roots[1]}=1") == 2
    assert "data.weights is [3.0, 1.0] there and [1.0, 1.0] here" in capsys.readouterr().err
