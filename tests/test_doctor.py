"""vla doctor: what is wrong comes with the line that cures it."""

import collections
import shutil
import subprocess

import pytest

from vlasandbox.train import catalog, costs, diagnostics, machine
from vlasandbox.train.cli import main
from vlasandbox.train.cli.doctor import show
from vlasandbox.train.recording.record import RecordError
from vlasandbox.train.workflows import quickstart


def test_a_working_machine_renders():
    (check,) = diagnostics.rendering(fps=False)
    assert check.status == "ok", check.value
    assert "MUJOCO_GL=" in check.value


def test_a_broken_backend_fails_with_its_cure_and_cannot_kill_doctor(monkeypatch, capsys):
    monkeypatch.setenv("MUJOCO_GL", "glx_from_the_nineties")
    assert main(["doctor", "--gl"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("fail")
    assert "unset MUJOCO_GL" in out


def test_a_probe_that_aborts_is_a_failed_check(monkeypatch):
    def abort(command, **options):
        return subprocess.CompletedProcess(command, -6, "", "")

    monkeypatch.setattr(subprocess, "run", abort)
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    (check,) = diagnostics.rendering(fps=True)
    assert (check.status, check.cure) == ("fail", diagnostics.GL_CURE)
    assert "-6" in check.value


def test_versions_other_than_the_tested_ones_are_a_warning(monkeypatch, tmp_path):
    assert diagnostics.packages().status == "ok"
    (tmp_path / "constraints.txt").write_text("numpy==2.0.0\n")
    monkeypatch.setattr(catalog, "ROOT", tmp_path)
    check = diagnostics.packages()
    assert check.status == "warn"
    assert "tested with 2.0.0" in check.value


def test_a_missing_package_is_a_failure(monkeypatch):
    monkeypatch.setattr(diagnostics.metadata, "requires", lambda name: ["surely-not-installed>=1"])
    check = diagnostics.packages()
    assert check.status == "fail"
    assert "surely-not-installed is missing" in check.value


@pytest.mark.parametrize(("load", "status"), [(0.1, "ok"), (30.0, "warn")])
def test_a_busy_machine_is_a_warning(monkeypatch, load, status):
    monkeypatch.setattr(diagnostics.os, "getloadavg", lambda: (load, load, load))
    assert diagnostics.cores().status == status


def test_a_full_disk_is_a_warning(monkeypatch):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 10**8))
    check = diagnostics.disk()
    assert check.status == "warn"
    assert "0.1 GB" in check.value


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_the_precision_is_told_with_its_reason_and_both_rates(monkeypatch, precision):
    choice = machine.Choice(precision, "the test says so")
    monkeypatch.setattr(machine, "choose_precision", lambda device: choice)
    monkeypatch.setattr(machine, "matrix_rates", lambda: machine.MatrixRates(85.0, 6.0))
    check = diagnostics.precision()
    assert check.status == "ok"
    for said in (f"{precision}: the test says so", "fp32 85", "bf16 6 GFLOP/s"):
        assert said in check.value


def test_threads_and_the_cost_of_the_quickstart_are_told_as_measured(monkeypatch):
    trial = costs.Trial(machine.Threads(2, {1: 0.3, 2: 0.2}), update=0.2, answer=0.01)
    made_up = costs.Costs(0.01, 0.25, {"any": trial})
    for module in (costs, quickstart):
        monkeypatch.setattr(module, "measure", lambda trainings, at_once: made_up)
    monkeypatch.setattr(quickstart.Layout, "here", lambda: quickstart.Layout(2, False))
    threads, start = diagnostics.costs()
    assert threads.value.startswith("2 ")
    assert "300 ms on 1, 200 ms on 2" in threads.value
    assert "from nothing" in start.value
    assert f"--updates {quickstart.QuickstartConfig.updates // 4}" in start.value


def test_what_cannot_be_measured_is_a_warning(monkeypatch):
    def measure(trainings, at_once):
        raise RecordError("no OpenGL here")

    monkeypatch.setattr(costs, "measure", measure)
    (check,) = diagnostics.costs()
    assert (check.status, check.value) == ("warn", "not measured: no OpenGL here")


def test_every_problem_is_shown_with_its_cure(capsys):
    show(diagnostics.Check("disk", "warn", "0.1 GB free", "free some"))
    assert "cure: free some" in capsys.readouterr().out
