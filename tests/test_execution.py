"""Which actions of a chunk are executed."""

import subprocess
import sys

import numpy as np
import pytest

from vlasandbox.policies.execution import RecedingHorizon


def test_a_block_is_the_first_actions_of_the_chunk():
    chunk = np.arange(12.0).reshape(6, 2)
    np.testing.assert_array_equal(RecedingHorizon(4).block(chunk), chunk[:4])
    np.testing.assert_array_equal(RecedingHorizon(6).block(chunk), chunk)


@pytest.mark.parametrize("execute", [0, -2])
def test_executing_nothing_is_rejected(execute: int):
    with pytest.raises(ValueError, match=f"at least 1, got {execute}"):
        RecedingHorizon(execute)


def test_executing_more_than_was_predicted_is_rejected():
    with pytest.raises(ValueError, match="at most the chunk length 6, got 7"):
        RecedingHorizon(7).block(np.zeros((6, 2)))


def test_importing_it_does_not_import_torch():
    code = "import sys, vlasandbox.policies.execution; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
