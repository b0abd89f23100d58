"""Device, precision and threads follow the machine: every branch, on a made-up machine. Nothing is timed."""

import pytest
import torch

from vlasandbox.train import machine
from vlasandbox.train.machine import MatrixRates, Threads, choose_device, choose_precision, choose_threads

CPU = torch.device("cpu")


def cpu(
    monkeypatch: pytest.MonkeyPatch, *, onednn: bool, amx: bool = False, rates: MatrixRates | None = None
) -> None:
    """Makes this CPU one whose flags say so; without `rates` nothing may be measured."""
    for name in machine.ISA_LIMITS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(machine, "_onednn_takes_bf16", lambda: onednn)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(machine, "matrix_rates", lambda: rates or pytest.fail("measured"))


def test_a_cpu_with_amx_trains_in_bf16(monkeypatch):
    cpu(monkeypatch, onednn=True, amx=True)
    assert choose_precision(CPU) == machine.Choice("bf16", "this CPU has AMX")


def test_a_cpu_without_bf16_units_trains_in_fp32(monkeypatch):
    cpu(monkeypatch, onednn=False)
    choice = choose_precision(CPU)
    assert choice.precision == "fp32"
    assert "emulate" in choice.reason


@pytest.mark.parametrize("limit", machine.ISA_LIMITS)
@pytest.mark.parametrize(("speedup", "precision"), [(0.2, "fp32"), (1.5, "fp32"), (8.0, "bf16")])
def test_under_a_limit_on_instructions_the_measured_rates_decide(monkeypatch, limit, speedup, precision):
    cpu(monkeypatch, onednn=True, amx=True, rates=MatrixRates(50.0, 50.0 * speedup))
    monkeypatch.setenv(limit, "AVX512_CORE")
    choice = choose_precision(CPU)
    assert choice.precision == precision
    assert f"{speedup:.1f} times" in choice.reason


def test_a_limit_that_takes_the_units_away_is_seen_without_measuring(monkeypatch):
    cpu(monkeypatch, onednn=False, amx=True)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert choose_precision(CPU).precision == "fp32"


@pytest.mark.parametrize(("speedup", "precision"), [(1.2, "fp32"), (2.5, "bf16")])
def test_units_of_unknown_speed_are_measured(monkeypatch, speedup, precision):
    cpu(monkeypatch, onednn=True, amx=False, rates=MatrixRates(50.0, 50.0 * speedup))
    assert choose_precision(CPU).precision == precision


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "fp32")])
def test_a_gpu_trains_in_bf16_if_it_need_not_emulate_it(monkeypatch, native, precision):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert choose_precision(torch.device("cuda")).precision == precision


def test_the_rates_of_this_machine_are_numbers_and_leave_its_threads_alone():
    before = torch.get_num_threads()
    rates = machine.matrix_rates(seconds=0.0)
    assert rates.fp32 > 0
    assert rates.bf16 > 0
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({1: 1.0, 2: 0.6, 4: 0.4, 6: 0.39}, 4),
        ({1: 1.0, 2: 0.95}, 1),  # a gain too small for a core
        ({1: 1.0, 2: 10.0}, 1),  # two threads on busy cores
        ({1: 1.0, 2: 0.5, 4: 0.25, 6: 0.2}, 6),
    ],
)
def test_threads_are_added_while_that_pays(monkeypatch, seconds, best):
    monkeypatch.setattr(machine, "_timed", lambda work: seconds[torch.get_num_threads()])
    before = torch.get_num_threads()
    found = choose_threads(lambda: None, most=6)
    assert found.number == best
    assert found.seconds == {threads: seconds[threads] for threads in found.seconds}
    assert torch.get_num_threads() == before


def test_slow_work_is_done_once(monkeypatch):
    calls = []
    monkeypatch.setattr(machine, "_timed", lambda work: calls.append(work()) or machine.PATIENCE + 1)
    assert choose_threads(lambda: None, most=1) == Threads(1, {1: machine.PATIENCE + 1})
    assert len(calls) == 1


def test_an_unknown_device_names_the_valid_ones():
    with pytest.raises(ValueError, match="unknown device 'tpu'; this machine has: auto, cpu"):
        choose_device("tpu")
