"""The command line: fast to start, and a mistake costs one message."""

import errno
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from vlasandbox.train import catalog
from vlasandbox.train.cli import main
from vlasandbox.train.cli._dispatch import guard, verbs

MAX_SECONDS = 2.0


def raiser(error: BaseException):
    def run() -> int:
        raise error

    return run


def test_help_names_every_verb_with_what_it_does(capsys):
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for verb in verbs():
        described = [line for line in lines if line.split()[:1] == [verb]]
        assert described, f"{verb} is not in the help"
        assert len(described[0].split()) > 3


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["list"]])
def test_the_first_looks_are_fast_and_load_no_torch(arguments):
    code = (
        "import sys, time; from vlasandbox.train.cli import main\n"
        f"status = main({arguments!r})\n"
        "heavy = {'torch', 'transformers', 'diffusers'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else status)"
    )
    start = time.process_time()
    before = os.times()
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    after = os.times()
    assert child.returncode == 0, child.stderr
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert used + time.process_time() - start < MAX_SECONDS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], ["trian", "train", "doctor"]),
        (["train", "pick_flwo", "--data", "x"], ["pick_flwo", "pick_flow", "pick_tokens"]),
        (["record", "pik", "--out", "x"], ["pik", "pick"]),
        (["list", "haeds"], ["haeds", "heads", "codecs"]),
        (["eval", "runs/nowhere"], ["runs/nowhere"]),
        (["compare", "runs/nowhere", "runs/other"], ["runs/nowhere"]),
        (["robustness", "runs/nowhere"], ["runs/nowhere"]),
        (["train", "pick_flow", "--data", "no/such/dataset", "--out", "x"], ["no/such/dataset"]),
    ],
)
def test_a_wrong_name_gives_the_valid_ones_and_status_2(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    for word in said:
        assert word in message


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--nonsense"],
        ["doctor", "--fps", "3"],
        ["record", "pick", "--episodes", "many"],
        ["train", "pick_flow", "--optim.lrr", "3"],
        ["train", "pick_flow", "--optim.lr", "fast"],
        ["quickstart", "--updates", "x"],
    ],
)
def test_a_wrong_flag_ends_with_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert arguments[-2].lstrip("-") in capsys.readouterr().err.replace("\n", "")


def test_a_full_disk_is_told_in_one_message(capsys):
    error = OSError(errno.ENOSPC, "No space left on device", "runs/a/metrics.jsonl")
    assert guard(raiser(error), "vla train") == 2
    assert "no space left" in capsys.readouterr().err


def test_a_missing_file_is_told_in_one_message(capsys):
    assert guard(raiser(FileNotFoundError(errno.ENOENT, "No such file", "data/x")), "vla train") == 2
    assert "data/x" in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_says_how_to_continue(capsys):
    assert guard(raiser(KeyboardInterrupt()), "vla train") == 130
    assert "same command continues" in capsys.readouterr().err


def test_a_fault_of_numpy_inside_our_code_keeps_its_traceback():
    def run() -> int:
        return len(np.zeros(3).reshape(2, 2))

    with pytest.raises(ValueError, match="cannot reshape"):
        guard(run, "vla train")


def test_debug_shows_the_traceback_behind_the_message(capsys, monkeypatch):
    monkeypatch.setenv("VLA_DEBUG", "1")
    assert main(["nonsense"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_list_shows_every_file_of_every_folder(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for kind in catalog.FOLDERS:
        for name in catalog.names(kind):
            assert name in shown


def test_everything_listed_says_what_it_is():
    silent = [
        f"{kind}/{name}"
        for kind in catalog.FOLDERS
        for name, text in catalog.describe(kind).items()
        if not text
    ]
    assert not silent


def test_a_reader_that_goes_away_is_no_error():
    child = subprocess.run(
        f"{sys.executable} -c 'from vlasandbox.train.cli import main; main([\"list\"])' | true",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert child.stderr == ""
