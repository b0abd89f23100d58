"""Which actions of predicted chunks are executed."""

import subprocess
import sys

import numpy as np
import pytest

from vlasandbox.policies.execution import Execution


def _numbered(start: int, length: int = 6) -> np.ndarray:
    """The chunk answered at step `start`: its action for step t is [start, t]."""
    return np.array([[start, start + i] for i in range(length)], float)


def test_a_block_is_the_first_actions_of_the_chunk():
    chunk = np.arange(12.0).reshape(6, 2)
    np.testing.assert_array_equal(Execution(4).start().block(chunk), chunk[:4])
    np.testing.assert_array_equal(Execution(6).start().block(chunk), chunk)


@pytest.mark.parametrize(("execute", "delay"), [(4, 0), (4, 1), (4, 2), (3, 3), (1, 1)])
def test_every_step_gets_the_newest_answer_that_has_arrived_for_it(execute, delay):
    executor, done = Execution(execute, delay).start(), []
    for start in range(0, 24, execute):
        done.append(executor.block(_numbered(start)))
    steps = np.concatenate(done)
    np.testing.assert_array_equal(steps[:, 1], np.arange(len(steps)))  # each action is the one for its step
    for step, (asked, _) in enumerate(steps):
        newest = step - step % execute
        late = step % execute < delay and newest > 0
        assert asked == (newest - execute if late else newest)


def test_the_worked_example_of_the_docstring():
    executor = Execution(4, 1).start()
    first, second = executor.block(_numbered(0)), executor.block(_numbered(4))
    assert first[:, 0].tolist() == [0, 0, 0, 0]
    assert second.tolist() == [[0, 4], [4, 5], [4, 6], [4, 7]]


def test_an_ensemble_averages_all_answers_for_a_step_with_the_oldest_weighing_most():
    k, decay = 100, 0.01
    executor = Execution(1, ensemble=decay).start()
    block = [executor.block(np.full((k, 1), float(start))) for start in range(250)][-1]
    answers = np.arange(150, 250)  # those that reach step 249, oldest first
    weights = np.exp(-decay * np.arange(k))
    weights /= weights.sum()
    assert weights[0] == pytest.approx(0.0157, abs=1e-4)
    assert weights[-1] == pytest.approx(0.0058, abs=1e-4)
    assert block.item() == pytest.approx((weights * answers).sum())


def test_an_ensemble_of_answers_that_agree_changes_nothing():
    executor = Execution(1, ensemble=0.01).start()
    for start in range(12):
        block = executor.block(np.array([[start + i] for i in range(5)], float))
        np.testing.assert_allclose(block, [[start]])


def test_what_is_left_of_a_chunk_begins_with_the_action_due_at_the_next_question():
    executor = Execution(4, 1, rtc=True).start()
    assert executor.left() is None
    executor.block(_numbered(0))
    left = executor.left()
    assert left is not None
    assert left.tolist() == [[0, 4], [0, 5], [0, 0], [0, 0], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"execution_horizon": 0}, "execution_horizon must be at least 1, got 0"),
        ({"execution_horizon": -2}, "execution_horizon must be at least 1, got -2"),
        ({"execution_horizon": 2, "inference_delay": 3}, "between 0 and execution_horizon = 2 .*, got 3"),
        ({"execution_horizon": 2, "inference_delay": -1}, "inference_delay must be between 0"),
        (
            {"execution_horizon": 4, "ensemble": 0.01},
            "inference_delay 0, got 4 and 0",
        ),
        ({"execution_horizon": 1, "rtc": True, "ensemble": 0.01}, "choose one"),
        ({"rtc": True, "blocking": True}, "rtc .* choose one"),
    ],
)
def test_impossible_settings_are_rejected(settings, message):
    with pytest.raises(ValueError, match=message):
        Execution(**settings)


def test_executing_more_than_was_predicted_is_rejected():
    with pytest.raises(ValueError, match="at most the chunk length 6, got 7"):
        Execution(7).start().block(np.zeros((6, 2)))
    with pytest.raises(ValueError, match=r"execution_horizon \+ inference_delay must be at most .* 6"):
        Execution(4, 3).check(6, "ee_delta")


def test_actions_that_count_from_their_own_chunk_are_not_mixed():
    Execution(4).check(8, "ee_relative")
    for mixing in (Execution(4, 1), Execution(4, rtc=True), Execution(1, ensemble=0.01)):
        mixing.check(8, "ee_delta")
        with pytest.raises(ValueError, match="cannot be mixed"):
            mixing.check(8, "ee_relative")


def test_importing_it_does_not_import_torch():
    code = "import sys, vlasandbox.policies.execution; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_robot_that_waits_executes_whole_answers():
    executor = Execution(4, 6, blocking=True).start()
    assert executor.block(_numbered(0)).tolist() == [[0, 0], [0, 1], [0, 2], [0, 3]]
    assert executor.block(_numbered(10)).tolist() == [[10, 10], [10, 11], [10, 12], [10, 13]]
    Execution(4, 6, blocking=True).check(4, "ee_relative")
