"""Simulation processes: messages arrive as they were sent, failures are told, nothing heavy is imported."""

import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vlasandbox.envs.simulation.pool import worker_processes
from vlasandbox.envs.simulation.process import DiedError, SimulationError, WorkerProcess
from vlasandbox.envs.simulation.protocol import Channel

ENVS = Path(__file__).parent.parent / "envs"
SERVICE = '''
"""A service for tests."""
import os

class Echo:
    ready = "ready"

    def __init__(self, settings):
        if settings.get("give") == "mistake":
            raise ValueError("no such setting")
        if settings.get("give") == "absent":
            raise ImportError("no such library")

    def __call__(self, request):
        if request == "die":
            os._exit(7)
        if request == "disk":
            open("/no/such/file")
        if request == "bug":
            raise ValueError("a bug")
        print("said aloud, not on the channel")
        return request

    def close(self):
        pass
'''

LOADED = """
import sys

class Loaded:
    def __init__(self, settings):
        self.x, self.ready = settings["x"], [list(sys.modules), sys.path]

    def __call__(self, request):
        return request + self.x

    def close(self):
        pass
"""


@pytest.fixture
def echo(tmp_path, monkeypatch) -> str:
    (tmp_path / "echo_service.py").write_text(SERVICE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "echo_service:Echo"


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | arrays.arrays(st.sampled_from(["u1", "f4", "i8", "?"]), arrays.array_shapes(min_dims=0, min_side=0))
)  # fmt: skip
MESSAGES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


def same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.tobytes() == b.tobytes()
        )
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return repr(a) == repr(b)


@given(MESSAGES)
def test_a_message_arrives_as_it_was_sent(message):
    ours, theirs = map(Channel, socket.socketpair())
    ours.send(message)
    ours.send(np.float32(0.1))
    assert same(theirs.receive(), message)
    assert theirs.receive() == float(np.float32(0.1))
    ours.close()
    with pytest.raises(EOFError):
        theirs.receive()
    theirs.close()


def test_another_interpreter_runs_a_service_with_numpy_alone(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (tmp_path / "loaded.py").write_text(LOADED)
    process = WorkerProcess("loaded:Loaded", {"x": 1}, python=str(python))
    modules, path = process.ready()
    assert process.ask(np.arange(3)).tolist() == [1, 2, 3]
    process.stop()
    process.close()
    ours = {"vlasandbox", "gymnasium", "jaxtyping", "mujoco", "torch"}
    assert "numpy" in modules
    assert not ours & set(modules)
    assert str(ENVS) not in path


def test_a_process_answers_dies_and_is_replaced(echo):
    with worker_processes(echo, {}, 2) as ([process, other], ready):
        assert ready == "ready"
        assert process.ask({"x": [1, 2.5]}) == {"x": [1, 2.5]}
        with pytest.raises(DiedError, match="ended with status 7"):
            process.ask("die")
        process.restart()
        assert process.ask("again") == "again"
        assert other.ask("still there") == "still there"


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"give": "mistake"}, ValueError, "no such setting"),
        ({"give": "absent"}, SimulationError, "no such library"),
    ],
)
def test_a_service_that_cannot_be_made_says_why(echo, settings, error, message):
    with pytest.raises(error, match=message), worker_processes(echo, settings, 1):
        pass


def test_arrays_that_arrive_can_be_written_to():
    ours, theirs = map(Channel, socket.socketpair())
    ours.send({"a": np.zeros(3)[::-1]})
    theirs.receive()["a"][0] = 1.0
    with pytest.raises(TypeError, match="cannot hold ndarray"):
        ours.send(np.array([object()]))
    ours.close()
    theirs.close()


def test_a_process_ends_when_the_other_end_is_closed(echo):
    process = WorkerProcess(echo, {})
    process.ready()
    process._channel.shutdown()
    assert process._process.wait(60) == 0
    with pytest.raises(DiedError, match="ended with status 0"):
        process.receive()
    process.close()


@pytest.mark.parametrize(
    ("request_", "kind", "message"),
    [("disk", "system", "No such file"), ("bug", "bug", r"ValueError: a bug \(echo_service\.py:")],
)
def test_a_service_that_raises_says_what_happened(echo, request_, kind, message):
    process = WorkerProcess(echo, {})
    process.ready()
    with pytest.raises(SimulationError, match=message) as raised:
        process.ask(request_)
    assert raised.value.kind == kind
    process.stop()
    process.close()
