"""The training loop: resuming, accumulation, interruption, failure, and what it leaves behind."""

import errno
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training_runs import assert_equal, record, rows, weights

from vlasandbox.policies import heads
from vlasandbox.policies.codecs import fast
from vlasandbox.policies.heads import tokens
from vlasandbox.policies.lora import LoraConfig
from vlasandbox.policies.policy import Policy, PolicyConfig
from vlasandbox.train import checkpoint, loop
from vlasandbox.train.checkpoint import CheckpointError
from vlasandbox.train.config import TrainConfig, differences, settings
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import read_json
from vlasandbox.train.ema import persistent_tensors
from vlasandbox.train.evaluation import learned_task
from vlasandbox.train.log import last_row
from vlasandbox.train.loop import STATE, NonFiniteLossError, train
from vlasandbox.train.machine import Choice, Precision, Threads
from vlasandbox.train.optim import Rates
from vlasandbox.train.presets import debug


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of five made-up episodes."""
    root = tmp_path_factory.mktemp("data") / "dataset"
    record(root, range(5))
    return root


def stop_after(monkeypatch: pytest.MonkeyPatch, updates: int, how: int = signal.SIGINT) -> None:
    """Sends this process a signal during update number `updates` of each call of `train`."""
    original, calls = Policy.loss, [0]

    def loss(self: Policy, *args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == updates:
            os.kill(os.getpid(), how)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Policy, "loss", loss)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("head", "muon_lr"), [("regression", 0.0), ("flow", 0.0), ("flow", 4e-3)])
def test_stopped_and_resumed_run_equals_an_unbroken_one_bit_by_bit(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: int, head: str, muon_lr: float
):
    config = debug.config(data, updates=5, head=heads.default_config(head))
    config = replace(config, optim=replace(config.optim, muon_lr=muon_lr), checkpoint_every=100)
    train(config, tmp_path / "whole", bar=False)
    with monkeypatch.context() as patch:
        stop_after(patch, 3, how)
        with pytest.raises(KeyboardInterrupt, match="stopped after update 3 of 5"):
            train(config, tmp_path / "parts", bar=False)
    assert not (tmp_path / "parts" / "policy").exists()
    train(config, tmp_path / "parts", bar=False)

    assert_equal(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    states = [load_file(tmp_path / run / "state" / "resume.safetensors") for run in ("whole", "parts")]
    assert_equal(*states)
    assert any(name.startswith("optimizer.momentum.") for name in states[0]) == (muon_lr > 0)


def test_frozen_parts_and_adapters_resume_bit_by_bit_and_frozen_weights_stay_in_the_average_too(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = debug.config(data, updates=4)
    trunk = replace(config.policy.trunk, lora=LoraConfig(rank=2))
    rates = Rates(encoder=0.0, language=0.5)
    config = replace(
        config,
        policy=replace(config.policy, trunk=trunk),
        optim=replace(config.optim, rates=rates),
        checkpoint_every=100,
    )
    train(config, tmp_path / "whole", bar=False)
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "parts", bar=False)
    early = load_file(tmp_path / "parts" / STATE)
    train(config, tmp_path / "parts", bar=False)
    late, whole = (load_file(tmp_path / run / STATE) for run in ("parts", "whole"))
    assert_equal(late, whole)

    moments = {n.removeprefix("optimizer.exp_avg.") for n in late if n.startswith("optimizer.exp_avg.")}
    result = weights(tmp_path / "parts")
    assert "trunk.encoder.positions.weight" not in moments
    assert "trunk.language.model.layers.0.mlp.up_proj.down" in moments
    for name, tensor in result.items():
        stays = torch.equal(early[f"model.{name}"], tensor)
        assert stays or name in moments, name
        assert not (stays and name.endswith(".up")), name


def test_rates_multiply_the_learning_rate_of_the_loop(data: Path, tmp_path: Path):
    config = debug.config(data, updates=1)
    states = []
    for rate in (0.0, 0.5, 1.0):
        optim = replace(config.optim, rates=Rates(head=rate))
        train(replace(config, optim=optim), tmp_path / str(rate), bar=False)
        states.append(load_file(tmp_path / str(rate) / STATE))
    start, half, full = states
    trained = [name for name in half if name.startswith("optimizer.step.head.")]
    assert len(trained) > 5
    for name in (n.replace("optimizer.step", "model") for n in trained):
        torch.testing.assert_close(half[name], (start[name] + full[name]) / 2, rtol=0, atol=1e-6, msg=name)
    assert all(torch.equal(half[n], full[n]) for n in full if n.startswith("model.trunk."))


def test_a_codec_is_fitted_to_the_demonstrations_and_a_resumed_run_keeps_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    head = tokens.Config(codec=fast.Config(), decoding="autoregressive")
    config = replace(debug.config(data, updates=4, head=head), checkpoint_every=100)
    policy = Policy.load(train(config, tmp_path / "whole", bar=False))
    fresh = head.build(policy.trunk, policy.spec.chunk, policy.spec.action_dim)
    pairs = {name: x for name, x in policy.head.named_buffers() if name.endswith("pairs")}
    assert pairs
    assert all(not torch.equal(x, fresh.get_buffer(name)) for name, x in pairs.items())
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "parts", bar=False)
    train(config, tmp_path / "parts", bar=False)
    assert_equal(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_result_depends_on_the_seed_alone(data: Path, tmp_path: Path):
    config = debug.config(data, updates=2)
    torch.manual_seed(1)
    train(config, tmp_path / "a", bar=False)
    torch.manual_seed(2)
    train(config, tmp_path / "b", bar=False)
    train(replace(config, seed=1), tmp_path / "c", bar=False)
    assert_equal(weights(tmp_path / "a"), weights(tmp_path / "b"))
    first, other = weights(tmp_path / "a"), weights(tmp_path / "c")
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_global_state_of_torch_is_untouched(data: Path, tmp_path: Path):
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    handler = signal.getsignal(signal.SIGINT)
    train(replace(debug.config(data, updates=1), threads=threads + 1), tmp_path / "run", bar=False)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert signal.getsignal(signal.SIGINT) is handler


def test_every_head_starts_from_the_same_trunk(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    trunks = {}
    original = Policy.__init__

    def init(self: Policy, config: PolicyConfig, *args: Any) -> None:
        original(self, config, *args)
        name = type(config.head).__module__
        trunks[name] = {k: v.clone() for k, v in persistent_tensors(self.trunk).items()}

    monkeypatch.setattr(Policy, "__init__", init)
    for name in heads.names():
        config = debug.config(data, updates=1, head=heads.default_config(name))
        train(config, tmp_path / name, bar=False)
    assert len(trunks) == len(heads.names())
    first, *others = trunks.values()
    for other in others:
        assert_equal(first, other)


def test_accumulated_gradient_equals_that_of_the_whole_batch(data: Path, tmp_path: Path):
    # Without the random shifts, which come in another order when they are drawn part by part.
    config = debug.config(data, updates=1)
    config = replace(config, batch_size=8, policy=replace(config.policy, shift=0))
    train(config, tmp_path / "whole", bar=False)
    train(replace(config, grad_accumulation=4), tmp_path / "parts", bar=False)
    whole, parts = (load_file(tmp_path / run / "state" / "resume.safetensors") for run in ("whole", "parts"))
    gradients = [
        name for name in whole if name.startswith("optimizer.exp_avg.")
    ]  # times 0.1, after one update
    assert len(gradients) > 30
    for name in gradients:
        torch.testing.assert_close(whole[name], parts[name], rtol=1e-4, atol=1e-7, msg=name)
    losses = [rows(tmp_path / run)[0]["loss"] for run in ("whole", "parts")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_finished_run_returns_at_once(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = debug.config(data, updates=2)
    assert train(config, tmp_path, bar=False) == tmp_path / "policy"
    monkeypatch.setattr(loop, "_train", lambda *_: pytest.fail("trained again"))
    assert train(config, tmp_path, bar=False) == tmp_path / "policy"


def test_a_finished_run_is_not_that_of_other_data_and_outlives_its_own(data: Path, tmp_path: Path):
    config = debug.config(tmp_path / "data", updates=2)
    shutil.copytree(data, tmp_path / "data")
    train(config, tmp_path / "run", bar=False)
    record(tmp_path / "other", range(3))
    with pytest.raises(CheckpointError, match="run was trained on a dataset with fingerprint"):
        train(debug.config(tmp_path / "other", updates=2), tmp_path / "run", bar=False)
    shutil.rmtree(tmp_path / "data")
    assert train(config, tmp_path / "run", bar=False) == tmp_path / "run" / "policy"


def test_a_finished_run_is_trained_for_longer_from_where_it_was(data, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    config = debug.config(data, updates=4)
    train(config, out, bar=False)
    longer = replace(config, updates=config.updates + 6)
    stop_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        train(longer, out)
    assert (
        f"finished after {config.updates} updates and goes on to {longer.updates}" in capsys.readouterr().out
    )
    monkeypatch.undo()
    train(longer, out, bar=False)
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["updates"], summary["lengthened_at"]) == (longer.updates, [config.updates])
    assert [row["step"] for row in rows(out)] == sorted({row["step"] for row in rows(out)})
    # An unbroken one begun from the same checkpoint has the same weights.
    straight = tmp_path / "straight"
    train(config, straight, bar=False)
    train(longer, straight, bar=False)
    assert_equal(weights(out), weights(straight))
    with pytest.raises(ValueError, match=rf"updates is {longer.updates} there and {config.updates} here"):
        train(config, out, bar=False)


def test_a_run_whose_checkpoint_is_gone_is_not_begun_anew(data: Path, tmp_path: Path):
    config = debug.config(data, updates=4)
    train(config, tmp_path / "run", bar=False)
    shutil.rmtree(tmp_path / "run" / "state")
    with pytest.raises(ValueError, match=r"cannot be trained for longer .*resume\.safetensors is gone"):
        train(replace(config, updates=config.updates + 1), tmp_path / "run", bar=False)
    assert train(config, tmp_path / "run", bar=False).exists()


def test_result_is_a_policy_with_the_averaged_weights(data: Path, tmp_path: Path):
    policy = Policy.load(train(debug.config(data), tmp_path, bar=False))
    state = load_file(tmp_path / "state" / "resume.safetensors")
    for name, tensor in persistent_tensors(policy).items():
        assert torch.equal(tensor, state[f"ema.{name}"]), name
    assert any(not torch.equal(state[f"ema.{n}"], state[f"model.{n}"]) for n in persistent_tensors(policy))


def test_run_writes_config_metrics_and_summary(data: Path, tmp_path: Path):
    config = debug.config(data)
    train(config, tmp_path, bar=False)
    assert json.loads((tmp_path / "config.json").read_text())["updates"] == 4
    assert [row["step"] for row in rows(tmp_path)] == [2, 4]
    assert {"loss", "grad_norm", "lr", "samples_per_second", "wait_share"} <= rows(tmp_path)[0].keys()
    assert last_row(tmp_path / "metrics.jsonl") == rows(tmp_path)[-1]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["updates"], summary["samples"], summary["demonstrations"]) == (4, 16, 5)
    assert summary["dataset"]["fingerprint"] == Dataset.open(data).fingerprint
    assert learned_task(tmp_path) == summary["dataset"]["task"] == "pick"
    assert summary["train_wall_seconds"] > 0
    assert summary["train_cpu_seconds"] > 0
    assert 0 <= summary["wait_share"] <= 1
    assert summary["parameters"]["trunk"] > summary["parameters"]["head"] > 0
    assert summary["peak_memory_bytes"] > 1e7
    assert summary["versions"]["torch"] == torch.__version__


def test_resumed_run_repeats_no_row_and_adds_up_its_time(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = debug.config(data, updates=6)
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path, bar=False)
    progress = checkpoint.read_progress(tmp_path / "state" / "resume.safetensors")
    assert progress is not None
    # As if it had been killed later, in the middle of writing a row and a checkpoint.
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = "".join(c for c in socket.gethostname() if c.isalnum() or c == "-") or "host"
    for place in (tmp_path, tmp_path / "state"):
        (place / f"resume.safetensors.{host}-{gone.pid}.partial").write_bytes(b"half")
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "loss": 1.0}\n{"step": 6, "lo')
    train(config, tmp_path, bar=False)
    assert [row["step"] for row in rows(tmp_path)] == [2, 3, 4, 6]
    assert not list(tmp_path.rglob("*.partial"))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["train_wall_seconds"] > progress.wall_seconds


def test_non_finite_loss_stops_the_run_and_loses_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = debug.config(data, updates=6)
    train(config, tmp_path / "healthy", bar=False)
    original, calls = Policy.loss, [0]

    def loss(self: Policy, *args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        value, metrics = original(self, *args, **kwargs)
        return (value * math.nan if calls[0] == 4 else value), metrics

    with monkeypatch.context() as patch:
        patch.setattr(Policy, "loss", loss)
        with pytest.raises(NonFiniteLossError, match=r"update 4 has loss nan.* holds 2 updates"):
            train(config, tmp_path / "run", bar=False)
    train(config, tmp_path / "run", bar=False)
    assert_equal(weights(tmp_path / "healthy"), weights(tmp_path / "run"))


def test_other_settings_are_refused_by_name(data: Path, tmp_path: Path):
    config = debug.config(data, updates=2)
    train(config, tmp_path, bar=False)
    for other, message in (
        (replace(config, optim=replace(config.optim, lr=0.5)), r"optim\.lr is 0\.001 there and 0\.5 here"),
        (
            replace(config, policy=replace(config.policy, head=heads.default_config("flow"))),
            r"policy\.head\.type",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            train(other, tmp_path, bar=False)


def forget(out: Path, *paths: str) -> None:
    """Removes settings from the run's config.json, as if they did not exist when it began."""
    document = read_json(out / "config.json")
    for path in paths:
        *inside, last = path.split(".")
        node = document
        for key in inside:
            node = node[key]
        del node[last]
    (out / "config.json").write_text(json.dumps(document))


def test_a_run_from_before_a_setting_existed_has_its_default(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = debug.config(data, updates=3)
    train(config, tmp_path / "whole", bar=False)
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "old", bar=False)
    added = ("optim.rates", "policy.trunk.lora", "policy.trunk.encoder.stem", "policy.head.loss", "compile")
    forget(tmp_path / "old", *added)
    for other, message in (
        (replace(config, compile=True), "compile is False there and True here"),
        (
            replace(config, optim=replace(config.optim, rates=Rates(head=0.5))),
            r"optim\.rates\.head is 1\.0 there and 0\.5 here",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            train(other, tmp_path / "old", bar=False)
    train(config, tmp_path / "old", bar=False)
    assert_equal(weights(tmp_path / "whole"), weights(tmp_path / "old"))
    forget(tmp_path / "old", *added)
    monkeypatch.setattr(loop, "_train", lambda *_: pytest.fail("trained again"))
    assert train(config, tmp_path / "old", bar=False) == tmp_path / "old" / "policy"


def test_a_run_with_a_setting_that_is_no_more_is_refused_by_name(data: Path, tmp_path: Path):
    config = debug.config(data, updates=1)
    train(config, tmp_path, bar=False)
    document = read_json(tmp_path / "config.json")
    (tmp_path / "config.json").write_text(json.dumps(document | {"magic": 1}))
    with pytest.raises(ValueError, match=r"config\.json was written by another version .*magic: unknown"):
        train(config, tmp_path, bar=False)


def test_another_dataset_is_refused_on_resuming(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = tmp_path / "grown"
    record(root, range(3))
    config = debug.config(root)
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "run", bar=False)
    record(root, range(3, 5))
    with pytest.raises(CheckpointError, match="fingerprint"):
        train(config, tmp_path / "run", bar=False)


def test_two_trainings_cannot_share_a_folder(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config, messages = debug.config(data, updates=1), []
    original = Policy.loss

    def loss(self: Policy, *args: Any, **kwargs: Any) -> Any:
        with pytest.raises(ValueError, match="another process") as caught:
            train(config, tmp_path, bar=False)
        messages.append(str(caught.value))
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Policy, "loss", loss)
    train(config, tmp_path, bar=False)
    assert len(messages) == 1


def test_run_that_never_trained_does_not_block_its_folder(data: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="does not exist"):
        train(debug.config(tmp_path / "nowhere"), tmp_path / "run", bar=False)
    train(debug.config(data, updates=1), tmp_path / "run", bar=False)
    assert (tmp_path / "run" / "summary.json").exists()


def test_full_disk_stops_the_run_and_loses_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = debug.config(data, updates=6)
    train(config, tmp_path / "healthy", bar=False)

    save_file = checkpoint.save_file

    def no_space(*arguments: Any, **options: Any) -> None:
        if checkpoint.read_progress(tmp_path / "run" / "state" / "resume.safetensors") is not None:
            raise OSError(errno.ENOSPC, "No space left on device")
        save_file(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", no_space)
        with pytest.raises(CheckpointError, match=r"No space left on device.*the previous one is kept"):
            train(config, tmp_path / "run", bar=False)
    train(config, tmp_path / "run", bar=False)
    assert_equal(weights(tmp_path / "healthy"), weights(tmp_path / "run"))


def test_training_outside_the_main_thread_works(data: Path, tmp_path: Path):
    config = debug.config(data, updates=1)
    thread = threading.Thread(target=train, args=(config, tmp_path), kwargs={"bar": False})
    thread.start()
    thread.join()
    assert (tmp_path / "summary.json").exists()


def test_ignored_ctrl_c_stays_ignored(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        stop_after(monkeypatch, 1)
        train(debug.config(data, updates=2), tmp_path, bar=False)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "summary.json").exists()


def test_bf16_keeps_the_weights_in_fp32(data: Path, tmp_path: Path):
    train(replace(debug.config(data, updates=1), precision="bf16"), tmp_path, bar=False)
    assert {x.dtype for x in weights(tmp_path).values() if x.is_floating_point()} == {torch.float32}


def machine_prefers(monkeypatch: pytest.MonkeyPatch, precision: Precision) -> None:
    monkeypatch.setattr(loop, "choose_precision", lambda device: Choice(precision, "the test says so"))


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_auto_is_stored_as_what_it_was_resolved_to(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision
):
    config = replace(debug.config(data, updates=1), precision="auto")
    machine_prefers(monkeypatch, precision)
    train(config, tmp_path / "auto", bar=False)
    train(replace(config, precision=precision), tmp_path / "named", bar=False)
    assert_equal(weights(tmp_path / "auto"), weights(tmp_path / "named"))
    for file in ("config.json", "summary.json"):
        assert json.loads((tmp_path / "auto" / file).read_text())["precision"] == precision


def test_a_resumed_run_keeps_the_precision_that_it_began_with(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = replace(debug.config(data, updates=3), precision="auto")
    train(replace(config, precision="bf16"), tmp_path / "whole", bar=False)
    machine_prefers(monkeypatch, "bf16")
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "run", bar=False)
    machine_prefers(monkeypatch, "fp32")
    with pytest.raises(ValueError, match="precision is 'bf16' there and 'fp32' here"):
        train(replace(config, precision="fp32"), tmp_path / "run", bar=False)
    train(config, tmp_path / "run", bar=False)
    assert_equal(weights(tmp_path / "whole"), weights(tmp_path / "run"))
    assert train(config, tmp_path / "run", bar=False) == tmp_path / "run" / "policy", "finished, and found so"


def test_the_measured_number_of_threads_is_stored_and_measuring_changes_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = debug.config(data, updates=2)
    original = Policy.loss

    def loss(self: Policy, *args: Any, **kwargs: Any) -> Any:
        next(self.trunk.buffers()).add_(1.0)  # as BatchNorm counts every pass in training mode
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Policy, "loss", loss)
    train(replace(config, threads=2), tmp_path / "named", bar=False)
    passes = []

    def choose(work: Callable[[], object], most: int) -> Threads:
        work()
        passes.append(most)
        return Threads(2, {})

    monkeypatch.setattr(loop, "choose_threads", choose)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        train(replace(config, threads=None), tmp_path / "measured", bar=False)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert passes == [3]
    assert json.loads((tmp_path / "measured" / "summary.json").read_text())["threads"] == 2
    assert_equal(weights(tmp_path / "named"), weights(tmp_path / "measured"))


def test_wandb_offline_logs_without_network(data: Path, tmp_path: Path):
    code = """
import sys
from dataclasses import replace
from pathlib import Path
from vlasandbox.train.loop import train
from vlasandbox.train.presets import debug
train(replace(debug.config(Path(sys.argv[1]), updates=1), wandb="offline"), Path(sys.argv[2]))
"""
    command = [sys.executable, "-c", code, str(data), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


@pytest.mark.parametrize(
    "bad",
    [
        {"updates": 0},
        {"batch_size": 0},
        {"grad_accumulation": 3},
        {"ema_decay": 1.0},
        {"seed": -1},
        {"threads": 0},
        {"checkpoint_every": 0},
    ],
)
def test_impossible_settings_are_refused_by_name(bad: dict[str, Any]):
    (name,) = bad
    with pytest.raises(ValueError, match=name):
        replace(debug.config(Path("data")), **bad)


def test_moved_dataset_and_new_thread_count_are_the_same_run():
    config = debug.config(Path("here"))
    moved = replace(config, data=replace(config.data, root=Path("there")), threads=2, checkpoint_every=7)
    assert differences(settings(config), settings(moved)) == []
    assert isinstance(moved, TrainConfig)
