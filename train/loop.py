"""Behaviour cloning: one function of plain steps from a configuration to a trained policy."""

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..envs.control import stored_space
from ..policies.policy import Policy
from ..policies.types import Batch, Grounding, Observation, PolicySpec
from . import checkpoint
from .checkpoint import CheckpointError, Progress
from .config import (
    DataConfig,
    TrainConfig,
    choose_device,
    choose_threads,
    differences,
    settings,
    stored_settings,
)
from .data.cache import frame_cache
from .data.dataset import Dataset
from .data.files import exclusive, read_json, write_json
from .data.merge import open_data
from .data.windows import WindowSampler
from .ema import EMA
from .log import RunLog
from .periodic import Periodic
from .signals import stop_request
from .summary import Clock, summary

ROW_EVERY = 10
"""Updates per row of metrics.jsonl; a row is the mean over them."""
FITTED = 4096
"""Chunks that a head is fitted to before the first update, where it needs that."""
STATE = "state/resume.safetensors"
"""Checkpoint of a run, in its folder."""


class NonFiniteLossError(ValueError):
    """The loss or its gradient became infinite or not a number."""

    def __init__(self, message: str, update: int) -> None:
        super().__init__(message, update)
        self.update = update
        """The one that was not made, from 1."""

    def __str__(self) -> str:
        return self.args[0]


def train(config: TrainConfig, out: Path, *, bar: bool = True) -> Path:
    """Trains a policy in the folder `out` and returns the folder of the result, `out/policy`.

    The same call continues a run that was stopped, bit-identically on a CPU, and returns at once for a
    finished one. It may run in a spawned process: pass `bar=False` there, and let the parent read
    `log.last_row(out / "metrics.jsonl")`. Two runs side by side with `threads=1` get more done on two cores
    than one with two threads.

    Raises:
        ValueError: the configuration, the dataset, or what `out` already holds does not fit.
        NonFiniteLossError: names the update; the last checkpoint stays.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; a checkpoint has been written.
    """
    here = settings(config)
    finished = (out / "summary.json").exists() and (out / "policy").exists()
    if finished or (out / STATE).exists():
        found = differences(stored_settings(out / "config.json"), here)
        if found:
            raise ValueError(
                f"{out} holds a run with other settings: {'; '.join(found)}. Choose another folder"
            )
    if finished:
        if config.data.root.exists():  # a finished run may outlive its data
            dataset = open_data(config.data.root)
            _same_data(out, read_json(out / "summary.json")["dataset"]["fingerprint"], dataset)
        return out / "policy"

    threads_before = torch.get_num_threads()
    try:
        # fork_rng: whatever is seeded in here, the caller's random state stays as it was.
        with exclusive(out / "state", wait=False), torch.random.fork_rng():
            write_json(out / "config.json", here)
            _train(config, out, bar)
    finally:
        torch.set_num_threads(threads_before)
    return out / "policy"


def _train(config: TrainConfig, out: Path, bar: bool) -> None:
    # What is learned from.
    dataset = open_data(config.data.root)
    state = out / STATE
    progress = checkpoint.read_progress(state)
    if progress is not None:
        _same_data(state, progress.dataset, dataset)
    resumes = progress is not None
    progress = progress or Progress(0, choose_threads(), 0.0, 0.0, 0.0, dataset.fingerprint)
    if config.threads is not None:
        progress = replace(progress, threads=config.threads)
    torch.set_num_threads(progress.threads)
    device = choose_device(config.device)

    # What learns. The trunk is drawn before the head: with one seed, all heads start from the same trunk.
    torch.manual_seed(config.seed)
    spec = policy_spec(dataset, config.data)
    trunk = config.policy.trunk.build(spec.num_views, spec.observed_state_dim, dataset.tasks)
    cache = frame_cache(dataset, trunk.image_size, config.data.cache)
    sampler = WindowSampler(
        dataset,
        cache,
        config.data.chunk,
        config.batch_size,
        config.seed,
        config.data.action_space,
        config.data.history,
    )
    policy = Policy(config.policy, spec, trunk, sampler.stats()).to(device).train()
    generator = torch.Generator(device)
    if not resumes:
        chunks = policy.action_normalizer.normalize(sampler.chunks(FITTED).to(device))
        policy.head.fit(chunks, generator.manual_seed(config.seed))
    config.optim.freeze(policy)
    optimizer = config.optim.build(policy)
    ema = EMA(policy, config.ema_decay)
    if resumes:
        checkpoint.load(state, policy, optimizer, ema)
    loss_of = torch.compile(policy.loss) if config.compile else policy.loss
    parameters = [p for p in policy.parameters() if p.requires_grad]

    # The loop.
    clock = Clock(progress, sampler)

    def summary_after(step: int) -> dict[str, Any]:
        return summary(clock.progress(step), config.batch_size, policy, dataset)

    periodic = Periodic(config, dataset, policy, ema, out, summary_after)
    log = RunLog(
        out, start=progress.step, updates=config.updates, bar=bar, wandb=config.wandb, config=settings(config)
    )
    with closing(sampler), closing(periodic), log, stop_request() as stop:
        for step in range(progress.step, config.updates):
            batch = sampler.batch(step).to(device)
            seed = update_seed(config.seed, step)
            generator.manual_seed(seed)
            torch.manual_seed(seed)  # for dropout inside transformers, which knows no generator
            multiplier = config.optim.multiplier(step, config.updates)
            for group in optimizer.param_groups:
                group["lr"] = multiplier * group["peak"]

            optimizer.zero_grad()
            total = torch.zeros((), device=device)
            # The action loss is a mean over valid actions, and not every part of a batch has as many.
            valid = batch.mask.sum() / config.grad_accumulation
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
            saving = done % config.checkpoint_every == 0 or done == config.updates or stopping
            # Before the checkpoint: a run that is killed meanwhile looks again when it is resumed.
            with clock.paused():
                seen = periodic.look(done)
            if saving or seen.metrics or done % ROW_EVERY == 0:
                rates = clock.rates(done, config.batch_size)
                log.write(done, {"lr": config.optim.lr * multiplier, **rates, **seen.metrics}, seen.video)
            if saving:
                checkpoint.save(state, policy, optimizer, ema, clock.progress(done))
            if stopping:
                raise KeyboardInterrupt(
                    f"stopped after update {done} of {config.updates}; {state} continues it"
                )

    # What comes out of it.
    ema.copy_to_model()
    policy.eval().save(out / "policy")
    write_json(out / "summary.json", summary_after(config.updates))


def _same_data(where: Path, fingerprint: str, dataset: Dataset) -> None:
    if dataset.fingerprint != fingerprint:
        raise CheckpointError(
            f"{where} was trained on a dataset with fingerprint {fingerprint}; {dataset.root} has "
            f"{dataset.fingerprint}. Choose another folder for the run"
        )


def policy_spec(dataset: Dataset, config: DataConfig) -> PolicySpec:
    """The sizes and meanings that a policy trained on `dataset` has."""
    stored, width = dataset.spec_dict, dataset.action.shape[1]
    if stored is not None and config.action_space is not None:
        width = len(stored_space(stored, config.action_space).dims)
    return PolicySpec(
        cameras=dataset.cameras,
        state_dim=dataset.state.shape[1],
        action_dim=width,
        chunk=config.chunk,
        action_space=config.action_space or dataset.action_space or "unknown",
        control_hz=float(dataset.fps),
        image_size=max(max(size) for size in dataset.image_sizes),
        robot=None if stored is None else stored["robot"],
        history=config.history,
    )


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
        )


def _not_finite(step: int, loss: float, norm: float, state: Path) -> str:
    last = checkpoint.read_progress(state)
    kept = "there is no checkpoint yet" if last is None else f"{state} holds {last.step} updates"
    return (
        f"update {step + 1} has loss {loss:g} and gradient norm {norm:g}, so it was not made; {kept}. "
        "Try a lower optim.lr, or precision fp32"
    )
