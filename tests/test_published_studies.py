"""Every study whose results are published can still be run."""

from pathlib import Path

import pytest

from vlasandbox.envs.control import ACTION_SPACES
from vlasandbox.policies.config_io import from_dict, to_dict
from vlasandbox.train.config import TrainConfig
from vlasandbox.train.study.cell import evaluations_of
from vlasandbox.train.study.definition import load

DOCS = Path(__file__).parent.parent / "docs"
FILES = sorted(path for folder in ("findings", "systems") for path in (DOCS / folder).glob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_its_cells_are_what_can_be_trained_and_executed(file):
    study = load(file)
    assert file.name in (file.read_text().partition('"""\n')[0])  # the docstring tells the command
    for cell in study.cells():
        train, record = cell.point.train, cell.point.record
        assert from_dict(TrainConfig, to_dict(train)) == train
        assert cell.point.evaluation.task == record.env.task
        assert (train.data.action_space or record.env.action_space) in ACTION_SPACES
        assert evaluations_of(cell, study.evaluations)
