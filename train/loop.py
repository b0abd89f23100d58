"""Behavior cloning: one function of plain steps from a configuration to a trained policy."""

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..common.errors import InputError, VlaError
from ..common.files import remove_partials
from ..eval.training_record import read_summary
from ..policies.policy import Policy
from ..policies.types import Batch, Grounding, Observation
from . import checkpoint
from .batch_source import BatchSource, Learner, MakeSource
from .build import build, fit_head
from .checkpoint import CheckpointError, Progress
from .config import TrainConfig, differences, settings, stored_settings
from .data.dataset import Dataset
from .data.episodes import write_learned
from .data.files import exclusive, write_sealed
from .data.windows import WindowSampler
from .ema import EMA
from .log import RunLog
from .machine import choose_device, choose_precision, choose_threads
from .periodic import Periodic
from .signals import stop_request
from .summary import Clock, summary

ROW_EVERY = 10
"""Updates per row of metrics.jsonl; a row is the mean over them."""
STATE = "state/resume.safetensors"
"""Checkpoint of a run, in its folder."""


class NonFiniteLossError(VlaError, ValueError):
    """The loss or its gradient became infinite or not a number."""

    def __init__(self, message: str, update: int) -> None:
        super().__init__(message, update)
        self.update = update
        """Number of the update that was not made, from 1."""

    def __str__(self) -> str:
        return self.args[0]


def train(config: TrainConfig, out: Path, *, bar: bool = True, make_source: MakeSource = BatchSource) -> Path:
    """Trains a policy in the folder `out` and returns the folder of the result, `out/policy`.

    The same call continues a run that was stopped, bit-identically on a CPU, and returns at once for a
    finished one. It may run in a spawned process: pass `bar=False` there, and let the parent read
    `log.last_row(out / "metrics.jsonl")`. Two runs side by side with `threads=1` get more done on two cores
    than one with two threads.

    Args:
        config: of the run.
        out: its folder.
        bar: whether to show how it goes.
        make_source: makes the source of its batches; by default they are windows of the demonstrations.

    Raises:
        ValueError: the configuration, the dataset, or what `out` already holds does not fit.
        NonFiniteLossError: names the update; the last checkpoint stays.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; a checkpoint has been written.
    """
    made = read_summary(out) if (out / "summary.json").exists() else {}
    finished = bool(made) and (out / "policy").exists()
    begun = stored_settings(out / "config.json") if finished or (out / STATE).exists() else None
    config = _with_precision(config, begun)
    here = settings(config)
    if begun is not None:
        # A finished run may be made longer, also after that was interrupted.
        longer = finished and made.get("updates", config.updates) < config.updates >= begun["updates"]
        found = differences(begun | ({"updates": config.updates} if longer else {}), here)
        if found:
            raise InputError(
                f"{out} holds a run with other settings: {'; '.join(found)}. Choose another folder"
            )
        if longer:
            _check_longer(out, made["updates"], config.updates, bar)
            finished = False
    if finished:
        if config.data.exists:  # a finished run may outlive its data
            _same_data(out, made["dataset"].get("fingerprint"), config.data.open())
        return out / "policy"

    threads_before = torch.get_num_threads()
    try:
        # fork_rng: whatever is seeded in here, the caller's random state stays as it was.
        with exclusive(out / "state", wait=False), torch.random.fork_rng():
            for folder in (out, out / "state"):
                remove_partials(folder)
            write_sealed(out / "config.json", here)
            _train(config, out, bar, make_source)
    finally:
        torch.set_num_threads(threads_before)
    return out / "policy"


def _check_longer(out: Path, made: int, updates: int, bar: bool) -> None:
    """Checks that a finished run of `made` updates can go on to `updates`; says what that means.

    Raises:
        CheckpointError: the checkpoint is gone that it would go on from.
    """
    if not (out / STATE).exists():
        raise CheckpointError(
            f"{out} cannot be trained for longer than its {made} updates: {out / STATE} is gone, from which "
            "it would go on. Choose another folder"
        )
    if bar:
        print(
            f"{out} is finished after {made} updates and goes on to {updates}. The learning rate is from now "
            f"on that of a run of {updates}: the result is not that of a run begun with as many",
            flush=True,
        )


def _with_precision(config: TrainConfig, begun: dict[str, Any] | None) -> TrainConfig:
    """`config` with a precision in place of "auto": the one that the run was begun with, if it was begun."""
    if config.precision != "auto":
        return config
    if begun is not None and begun["precision"] != "auto":
        return replace(config, precision=begun["precision"])
    return replace(config, precision=choose_precision(choose_device(config.device)).precision)


def _train(config: TrainConfig, out: Path, bar: bool, make_source: MakeSource) -> None:
    # Weights must not depend on the number of threads, which is not known before they are there.
    available = torch.get_num_threads()
    torch.set_num_threads(1)

    # What is learned from.
    dataset = config.data.open()
    state = out / STATE
    progress = checkpoint.read_progress(state)
    if progress is not None:
        _same_data(state, progress.dataset, dataset)
    device = choose_device(config.device)

    # What learns.
    torch.manual_seed(config.seed)
    policy, sampler = build(config, dataset, device)
    if progress is None and config.start_from is None:
        fit_head(policy, sampler, config.seed)
    config.optim.freeze(policy)
    optimizer = config.optim.build(policy)
    ema = EMA(policy, config.ema_decay)
    if progress is None:
        threads = config.threads or _fastest_threads(config, policy, sampler, available)
        progress = Progress(0, threads, 0.0, 0.0, 0.0, dataset.fingerprint)
    else:
        checkpoint.load(state, policy, optimizer, ema)
        progress = replace(progress, threads=config.threads or progress.threads)
    torch.set_num_threads(progress.threads)
    generator = torch.Generator(device)
    loss_of = torch.compile(policy.loss) if config.compile else policy.loss
    parameters = [p for p in policy.parameters() if p.requires_grad]

    # The loop.
    if bar:
        threads = f"{progress.threads} CPU thread{'s' * (progress.threads > 1)}"
        print(f"Training in {config.precision} on {device}, {threads}", flush=True)
        if dataset.left_out:
            print(f"Not learned from, since they are depth maps: {', '.join(dataset.left_out)}", flush=True)
    source = make_source(Learner(config, dataset, policy, ema, out, bar), sampler)
    clock = Clock(progress, source)

    def summary_after(step: int) -> dict[str, Any]:
        return summary(clock.progress(step), config, policy, dataset) | source.summary()

    periodic = Periodic(config, dataset, policy, ema, out, summary_after)
    log = RunLog(
        out, start=progress.step, updates=config.updates, bar=bar, wandb=config.wandb, config=settings(config)
    )
    with closing(source), closing(periodic), log, stop_request() as stop:
        for step in range(progress.step, config.updates):
            if source.is_due(step):
                with clock.paused():
                    source.grow(step, log, stop)
            batch = source.batch(step).to(device)
            seed = update_seed(config.seed, step)
            generator.manual_seed(seed)
            torch.manual_seed(seed)  # for dropout inside transformers, which knows no generator
            multiplier = config.optim.multiplier(step, config.updates)
            for group in optimizer.param_groups:
                group["lr"] = multiplier * group["peak"]

            optimizer.zero_grad()
            total = torch.zeros((), device=device)
            # The action loss is a mean over valid actions, and not every part of a batch has as many.
            valid = batch.num_valid / config.grad_accumulation
            for part in micro_batches(batch, config.grad_accumulation):
                with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
                    loss, metrics = loss_of(part, generator, valid)
                (loss / config.grad_accumulation).backward()
                total += loss.detach() / config.grad_accumulation
                log.add(metrics)
            norm = torch.nn.utils.clip_grad_norm_(parameters, config.optim.clip)
            if not (math.isfinite(total) and math.isfinite(norm)):
                raise NonFiniteLossError(_not_finite(step, float(total), float(norm), state), step + 1)
            optimizer.step()
            ema.update(step)

            log.add({"loss": total, "grad_norm": norm})
            done = step + 1
            stopping = stop.is_set()
            saving = (
                done % config.checkpoint_every == 0
                or done == config.updates
                or source.is_due(done)
                or stopping
            )
            # Before the checkpoint: a run that is killed meanwhile looks again when it is resumed.
            with clock.paused():
                seen = periodic.look(done)
            if saving or seen.metrics or done % ROW_EVERY == 0:
                rates = clock.rates(done, config.batch_size)
                log.write(done, {"lr": config.optim.lr * multiplier, **rates, **seen.metrics}, seen.video)
            if saving:
                log.flush()
                checkpoint.save(state, policy, optimizer, ema, clock.progress(done))
            if stopping:
                raise KeyboardInterrupt(
                    f"stopped after update {done} of {config.updates}; {state} continues it"
                )

    # What comes out of it.
    ema.copy_to_model()
    policy.eval().save(out / "policy")
    write_learned(out, dataset)
    before = read_summary(out) if (out / "summary.json").exists() else {}
    made = summary_after(config.updates) | {"rows": log.rows}
    write_sealed(out / "summary.json", made | _lengthened(before, config.updates))


def _lengthened(before: dict[str, Any], updates: int) -> dict[str, Any]:
    """For summary.json: after how many updates the run was finished before, if it was."""
    ends = [*before.get("lengthened_at", []), before.get("updates", updates)]
    return {"lengthened_at": ends} if before.get("updates", updates) < updates else {}


def _same_data(where: Path, fingerprint: str | None, dataset: Dataset) -> None:
    if dataset.fingerprint != fingerprint:
        raise CheckpointError(
            f"{where} was trained on a dataset with fingerprint {fingerprint}; {dataset.root} has "
            f"{dataset.fingerprint}. Choose another folder for the run"
        )


def _fastest_threads(config: TrainConfig, policy: Policy, sampler: WindowSampler, available: int) -> int:
    """The number of CPU threads that is fastest for this policy here and now. The policy stays as it was."""
    if policy.device.type != "cpu" or available == 1:
        return available
    batch, generator = sampler.batch(0), torch.Generator()
    buffers = {name: buffer.clone() for name, buffer in policy.named_buffers()}

    def forward_and_backward() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
            loss, _ = policy.loss(batch, generator.manual_seed(0))
        loss.backward()

    threads = choose_threads(forward_and_backward, available).number
    policy.zero_grad()
    for name, buffer in policy.named_buffers():
        buffer.copy_(buffers[name])
    return threads


def update_seed(seed: int, step: int) -> int:
    """Seed of all noise in update `step` of a run: a resumed run needs no random state to continue."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0])


def micro_batches(batch: Batch, parts: int) -> Iterator[Batch]:
    """`batch` in `parts` equal slices."""
    rows = len(batch.actions) // parts
    for start in range(0, rows * parts, rows):
        part = slice(start, start + rows)
        seen, labels = batch.observation, batch.grounding
        yield Batch(
            Observation(seen.images[part], seen.state[part], seen.instruction[part]),
            batch.actions[part],
            batch.mask[part],
            None if labels is None else Grounding(labels.uv[part], labels.xyz[part]),
            None if batch.weight is None else batch.weight[part],
        )


def _not_finite(step: int, loss: float, norm: float, state: Path) -> str:
    last = checkpoint.read_progress(state)
    kept = "there is no checkpoint yet" if last is None else f"{state} holds {last.step} updates"
    return (
        f"update {step + 1} has loss {loss:g} and gradient norm {norm:g}, so it was not made; {kept}. "
        "Try a lower optim.lr, or precision fp32"
    )
