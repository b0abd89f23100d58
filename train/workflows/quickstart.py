"""The quickstart: demonstrations, four policies that differ in the head alone, their comparison, a report.

Every step keeps what it finished: after Ctrl-C or a crash the same call goes on from there.
"""

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...common.errors import InputError
from ...envs.config import EnvConfig
from ...envs.simulation.pool import usable_cores
from ...eval.compare.comparison import Comparison, compare
from ...eval.report.comparison import write_report
from ...eval.result import CONDITIONS, EXPERT, Condition
from ...eval.training_record import TrainingRecord
from ...eval.video.clips import film
from .. import presets
from ..config import TrainConfig
from ..costs import REPORT, Costs, Planned, about, as_measured, measure, measure_if_long, updates_left
from ..data.files import read_json, write_sealed
from ..data.schema import INFO
from ..evaluation import EvalConfig, EvalTarget, evaluate_cached, load_cached
from ..parallel import Job, run_parallel, sigterm_interrupts
from ..recording.record import RecordConfig, record

PRESETS = ("pick_regression", "pick_tokens", "pick_diffusion", "pick_flow")


@dataclass(frozen=True)
class QuickstartConfig:
    """Budget of the quickstart, the same for every head."""

    episodes: int = 1000
    """Number of demonstrations to record."""
    updates: int = 1000
    """Number of optimizer updates of each training."""
    trunk_from: str | None = None
    """Start all trunks from that of a trained policy: the folder of a run, or `packaged` for the policy that
    this package carries. By default they start from random weights."""
    test_episodes: int = 100
    """Number of unseen episodes that each policy is evaluated on, under each condition."""
    smoke: bool = False
    """Whether to check only that everything runs: a minute or two, and policies that have learned nothing."""

    def resolved(self) -> "QuickstartConfig":
        """Copies the budget with the numbers that count: with `smoke` tiny ones."""
        if self.smoke:
            return replace(self, episodes=4, updates=4, test_episodes=2)
        return self


@dataclass(frozen=True)
class Layout:
    """Layout of the trainings on a machine."""

    cores: int
    gpu: bool

    @staticmethod
    def here() -> "Layout":
        """The layout for this machine."""
        return Layout(usable_cores(), torch.cuda.is_available())

    @property
    def at_once(self) -> int:
        """Trainings at once: on a CPU as many as there are cores for, on a GPU one."""
        return 1 if self.gpu else min(self.cores, len(PRESETS))

    @property
    def most_threads(self) -> int:
        """Torch threads that each training may use."""
        return max(1, self.cores // self.at_once)


@dataclass(frozen=True)
class Step:
    """One line of the plan."""

    title: str
    done: bool
    run: Callable[[], object]
    seconds: Callable[[Costs], float]
    """Expected time [s]."""


class Quickstart:
    """The steps of one quickstart, in the folder `out`."""

    def __init__(self, config: QuickstartConfig, out: Path, layout: Layout) -> None:
        self.config, self.out, self.layout = config.resolved(), out, layout
        self.data = out / "demonstrations"
        self.evaluation = EvalConfig(episodes=self.config.test_episodes)
        self.targets = [EvalTarget(name, out / name / "policy", out / name / "eval") for name in PRESETS]
        self.expert = EvalTarget(EXPERT, None, out / EXPERT / "eval")
        self.report = out / "report.html"

    def steps(self) -> list[Step]:
        """Steps of the quickstart, in order."""
        config, layout = self.config, self.layout
        return [
            Step(
                f"record {config.episodes} demonstrations of the scripted expert",
                False,  # `record` itself knows what is there
                self._record,
                lambda costs: 0.0 if self._recorded() else costs.recording(self.recording) / layout.cores,
            ),
            Step(
                f"train {len(PRESETS)} heads, {config.updates} updates each, {layout.at_once} at a time",
                all((self.out / name / "summary.json").exists() for name in PRESETS),
                self._train,
                self.training_seconds,
            ),
            *(
                Step(
                    f"judge {who.name}: {', '.join(c.replace('_', ' ') for c in conditions)}",
                    all(load_cached(who, self.evaluation, condition) for condition in conditions),
                    functools.partial(self._evaluate, who, conditions),
                    functools.partial(self._evaluation_seconds, who, conditions),
                )
                for who, conditions in self._evaluations()
            ),
            Step(
                "replay videos, write the report",
                self._reported(),
                self._report,
                lambda costs: costs.recording(self.recording, REPORT * len(PRESETS)),
            ),
        ]

    def trainings(self) -> dict[str, TrainConfig]:
        """The presets' configurations with this budget."""
        configs = {name: presets.load(name)(self.data, updates=self.config.updates) for name in PRESETS}
        trunk = self.config.trunk_from
        return {name: replace(config, trunk_from=trunk) for name, config in configs.items()}

    def measured(self) -> list[Planned]:
        """Trainings to measure in order to estimate the total cost."""
        return [(config, self.recording) for config in self.trainings().values()]

    def updates_left(self) -> dict[str, int]:
        """Updates that each training has yet to make."""
        return {name: updates_left(config, self.out / name) for name, config in self.trainings().items()}

    def training_seconds(self, costs: Costs) -> float:
        """Expected time of the trainings [s]."""
        left, trainings = self.updates_left(), self.trainings()
        return sum(left[name] * costs.update(trainings[name]) for name in left) / self.layout.at_once

    def seconds_left(self, costs: Costs) -> float:
        """Expected time of all that is not done [s]."""
        return sum(step.seconds(costs) for step in self.steps() if not step.done)

    def fewer_updates(self, costs: Costs) -> tuple[int, float]:
        """A quarter of the updates, and the time that these save [s]."""
        return self.config.updates // 4, 0.75 * self.training_seconds(costs)

    def comparison(self) -> Comparison:
        """The judged targets, compared."""
        return compare(
            [
                evaluate_cached(who, self.evaluation, c)
                for who, conditions in self._evaluations()
                for c in conditions
            ]
        )

    def _evaluations(self) -> list[tuple[EvalTarget, tuple[Condition, ...]]]:
        return [(self.expert, CONDITIONS[:1]), *((who, CONDITIONS) for who in self.targets)]

    @property
    def recording(self) -> RecordConfig:
        """Configuration of the demonstrations."""
        return RecordConfig(
            root=self.data, episodes=self.config.episodes, env=EnvConfig(self.evaluation.task)
        )

    def _record(self) -> None:
        record(self.recording)

    def _recorded(self) -> bool:
        info = self.data / INFO
        return info.exists() and read_json(info)["total_episodes"] == self.config.episodes

    def _train(self) -> None:
        jobs = []
        for name, config in self.trainings().items():
            run = functools.partial(_train_one, config, self.out / name, self.layout.most_threads)
            jobs.append(Job(name, self.out / name, config.updates, run))
        run_parallel(jobs, at_once=self.layout.at_once)

    def _evaluate(self, who: EvalTarget, conditions: tuple[Condition, ...]) -> None:
        for condition in conditions:
            evaluate_cached(who, self.evaluation, condition)

    def _evaluation_seconds(self, who: EvalTarget, conditions: tuple[Condition, ...], costs: Costs) -> float:
        if who.policy is None:
            return costs.recording(self.recording, self.evaluation.episodes) / self.layout.cores
        training = (self.trainings()[who.name], self.recording)
        seconds = (costs.evaluation(self.evaluation, training, fails=c != "test") for c in conditions)
        return sum(seconds) / self.layout.cores

    def _report(self) -> None:
        comparison = self.comparison()
        trainings = {name: TrainingRecord.load(self.out / name) for name in PRESETS}
        write_report(self.out, comparison, trainings, film(comparison, self.out / "videos"))

    def _reported(self) -> bool:
        """Whether the report is there and newer than every result."""
        results = [
            who.results / self.evaluation.folder / c / "result.json"
            for who, conditions in self._evaluations()
            for c in conditions
        ]
        if not all(path.exists() for path in [self.report, *results]):
            return False
        return self.report.stat().st_mtime_ns >= max(path.stat().st_mtime_ns for path in results)


def _train_one(config: TrainConfig, folder: Path, most_threads: int) -> None:
    """Body of a training's process."""
    from ..loop import train

    torch.set_num_threads(most_threads)
    train(config, folder, bar=False)


def quickstart(config: QuickstartConfig, out: Path) -> Path:
    """Does the remaining work in `out`, prints the comparison, and returns the path of the report.

    Raises:
        ValueError: `out` holds a run with other settings, or a training failed; the message says which.
        KeyboardInterrupt: interrupted; everything finished is kept and no process is left.
    """
    _claim(out, config.resolved())
    start = Quickstart(config, out, Layout.here())
    with sigterm_interrupts():
        steps = start.steps()
        left = sum(start.updates_left().values())
        print(plan(start, steps, measure_if_long(start.measured(), left, start.layout.at_once)), flush=True)
        for number, step in enumerate(steps, 1):
            if not step.done:
                print(f"\n[{number}/{len(steps)}] {step.title}", flush=True)
                step.run()
        comparison = start.comparison()
    print(f"\n{comparison.table()}\n")
    print("\n".join(comparison.statements))
    if config.smoke:
        print("\nThis was a smoke run: it shows that everything works; its numbers mean nothing.")
    print(f"\nReport: {start.report.resolve()}")
    return start.report


def expected() -> str:
    """Estimates how long a quickstart from nothing would take on this machine, measured now, and a shorter
    one."""
    with tempfile.TemporaryDirectory() as out:
        start = Quickstart(QuickstartConfig(), Path(out), Layout.here())
        costs = measure(start.measured(), start.layout.at_once)
        seconds = start.seconds_left(costs)
        fewer, saved = start.fewer_updates(costs)
    return f"{about(seconds)} from nothing, {about(seconds - saved)} with --updates {fewer}"


def _claim(out: Path, config: QuickstartConfig) -> None:
    """Records the budget in `out`; an evaluation of another length may follow, another training may not."""
    budget = {
        "episodes": config.episodes,
        "updates": config.updates,
        "trunk_from": config.trunk_from,
    }
    path = out / "quickstart.json"
    if not path.exists():
        write_sealed(path, budget)
    elif (found := {"trunk_from": None} | read_json(path)) != budget:
        raise InputError(f"{out} holds a quickstart with {found}, not {budget}: choose another --out")


def plan(start: Quickstart, steps: list[Step], costs: Costs | None) -> str:
    """Describes the steps ahead, how long they may take, and how to shorten them.

    Args:
        start: the quickstart.
        steps: its steps.
        costs: as measured on this machine; without them no times are told.
    """
    layout = start.layout
    gpu = "GPU" if layout.gpu else "no GPU"
    lines = [f"Plan for {layout.cores} core{'s' * (layout.cores > 1)}, {gpu}, in {start.out}:"]
    for number, step in enumerate(steps, 1):
        expected = "done" if step.done else about(step.seconds(costs)) if costs else ""
        lines.append(f"{number:>3}. {step.title:<78} {expected}".rstrip())
    if costs is not None:
        left, (fewer, saved) = start.seconds_left(costs), start.fewer_updates(costs)
        lines += [
            f"{about(left).capitalize()} in all, {as_measured()}. Shorter:",
            f"`vla quickstart --updates {fewer} --out {start.out}-short` takes {about(left - saved)}; its "
            "policies succeed less often.",
            "`--smoke` takes a minute or two and only shows that everything runs.",
        ]
    lines.append("Ctrl-C at any time; the same command continues.")
    return "\n".join(lines)
