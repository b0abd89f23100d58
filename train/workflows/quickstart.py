"""The quickstart: demonstrations, four policies that differ in the head alone, one exam for all, a report.

Every step keeps what it finished: after Ctrl-C or a crash the same call goes on from there.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ...eval.compare.comparison import Comparison, compare
from ...eval.report.comparison import write_report
from ...eval.result import CONDITIONS, EXPERT, Condition
from ...eval.rollout.worker_pool import usable_cores
from ...eval.training_record import TrainingRecord
from ...eval.video.clips import film
from .. import presets
from ..data.files import read_json, write_json
from ..evaluation import EvalConfig, EvalTarget, evaluate_cached, load_cached
from ..parallel import Job, run_parallel, sigterm_interrupts
from ..recording.record import RecordConfig, record

PRESETS = ("pick_regression", "pick_tokens", "pick_diffusion", "pick_flow")

# Core-seconds on a 2.5 GHz server core, for the plan that is shown first; nothing depends on them.
SECONDS_PER_DEMONSTRATION = 0.05
SECONDS_PER_UPDATE = 0.11
SECONDS_PER_EPISODE = 0.1
SECONDS_FOR_REPORT = 45.0


@dataclass(frozen=True)
class QuickstartConfig:
    """The budget, the same for every head."""

    episodes: int = 1000
    """Demonstrations to record."""
    updates: int = 3500
    """Optimiser updates of each training."""
    test_episodes: int = 100
    """Unseen episodes that each policy is judged on, under each condition."""
    smoke: bool = False
    """Only see whether everything runs: a minute or two, and policies that have learned nothing."""

    def resolved(self) -> "QuickstartConfig":
        """The numbers that count: with `smoke` tiny ones."""
        return replace(self, episodes=4, updates=4, test_episodes=2) if self.smoke else self


@dataclass(frozen=True)
class Layout:
    """How the trainings are laid out on a machine."""

    cores: int
    gpu: bool

    @property
    def at_once(self) -> int:
        """Trainings at once: on a CPU as many as there are cores for, on a GPU one."""
        return 1 if self.gpu else min(self.cores, len(PRESETS))

    @property
    def threads(self) -> int:
        """torch threads of each training."""
        return max(1, self.cores // self.at_once)


@dataclass(frozen=True)
class Step:
    """One line of the plan."""

    title: str
    minutes: float
    """Expected, from nothing."""
    done: bool
    run: Callable[[], object]


class Quickstart:
    """The steps of one quickstart, in the folder `out`."""

    def __init__(self, config: QuickstartConfig, out: Path, layout: Layout) -> None:
        self.config, self.out, self.layout = config.resolved(), out, layout
        self.data = out / "demonstrations"
        self.exam = EvalConfig(episodes=self.config.test_episodes)
        self.contestants = [EvalTarget(name, out / name / "policy", out / name / "eval") for name in PRESETS]
        self.expert = EvalTarget(EXPERT, None, out / EXPERT / "eval")
        self.report = out / "report.html"

    def steps(self) -> list[Step]:
        """What there is to do, in order."""
        config, cores = self.config, self.layout.cores
        training = len(PRESETS) * config.updates * SECONDS_PER_UPDATE / self.layout.at_once
        exams = [
            Step(
                f"judge {who.name}: {', '.join(c.replace('_', ' ') for c in conditions)}",
                len(conditions) * config.test_episodes * SECONDS_PER_EPISODE / cores / 60,
                all(load_cached(who, self.exam, condition) for condition in conditions),
                functools.partial(self._judge, who, conditions),
            )
            for who, conditions in self._exams()
        ]
        return [
            Step(
                f"record {config.episodes} demonstrations of the scripted expert",
                config.episodes * SECONDS_PER_DEMONSTRATION / cores / 60,
                False,  # `record` itself knows what is there
                self._record,
            ),
            Step(
                f"train {len(PRESETS)} heads, {config.updates} updates each, {self.layout.at_once} at a time",
                training / 60,
                all((self.out / name / "summary.json").exists() for name in PRESETS),
                self._train,
            ),
            *exams,
            Step("replay videos, write the report", SECONDS_FOR_REPORT / 60, self._reported(), self._report),
        ]

    def comparison(self) -> Comparison:
        """The judged contestants, compared."""
        return compare(
            [evaluate_cached(who, self.exam, c) for who, conditions in self._exams() for c in conditions]
        )

    def _exams(self) -> list[tuple[EvalTarget, tuple[Condition, ...]]]:
        return [(self.expert, CONDITIONS[:1]), *((who, CONDITIONS) for who in self.contestants)]

    def _record(self) -> None:
        record(RecordConfig(root=self.data, episodes=self.config.episodes, task=self.exam.task))

    def _train(self) -> None:
        from ..loop import train

        jobs = []
        for name in PRESETS:
            preset = presets.load(name)(self.data, updates=self.config.updates)
            folder = self.out / name
            run = functools.partial(train, replace(preset, threads=self.layout.threads), folder, bar=False)
            jobs.append(Job(name, folder, preset.updates, run))
        run_parallel(jobs, at_once=self.layout.at_once)

    def _judge(self, who: EvalTarget, conditions: tuple[Condition, ...]) -> None:
        for condition in conditions:
            evaluate_cached(who, self.exam, condition)

    def _report(self) -> None:
        comparison = self.comparison()
        trainings = {name: TrainingRecord.load(self.out / name) for name in PRESETS}
        write_report(self.out, comparison, trainings, film(comparison, self.out / "videos"))

    def _reported(self) -> bool:
        """Whether the report is there and newer than every result."""
        results = [
            who.results / self.exam.folder / c / "result.json"
            for who, conditions in self._exams()
            for c in conditions
        ]
        if not all(path.exists() for path in [self.report, *results]):
            return False
        return self.report.stat().st_mtime_ns >= max(path.stat().st_mtime_ns for path in results)


def quickstart(config: QuickstartConfig, out: Path) -> Path:
    """Does what is left to do in `out`, prints the comparison, and returns the path of the report.

    Raises:
        ValueError: `out` holds a run with other settings, or a training failed; the message says which.
        KeyboardInterrupt: interrupted; everything finished is kept and no process is left.
    """
    import torch

    _claim(out, config.resolved())
    start = Quickstart(config, out, Layout(usable_cores(), torch.cuda.is_available()))
    with sigterm_interrupts():
        steps = start.steps()
        print(plan(start, steps), flush=True)
        for number, step in enumerate(steps, 1):
            if not step.done:
                print(f"\n[{number}/{len(steps)}] {step.title}", flush=True)
                step.run()
        comparison = start.comparison()
    print(f"\n{comparison.table()}\n")
    print("\n".join(comparison.verdicts))
    if config.smoke:
        print("\nThis was a smoke run: it shows that everything works; its numbers mean nothing.")
    print(f"\nReport: {start.report.resolve()}")
    return start.report


def _claim(out: Path, config: QuickstartConfig) -> None:
    """Notes the budget in `out`; an exam of another length may follow, another training may not."""
    budget = {"episodes": config.episodes, "updates": config.updates}
    path = out / "quickstart.json"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        write_json(path, budget)
    elif (found := read_json(path)) != budget:
        raise ValueError(f"{out} holds a quickstart with {found}, not {budget}: choose another --out")


def plan(start: Quickstart, steps: list[Step]) -> str:
    """What is going to happen, and how long it may take."""
    layout = start.layout
    lines = [
        f"{number:>3}. {step.title:<78} {'done' if step.done else f'~{max(step.minutes, 0.1):.1f} min'}"
        for number, step in enumerate(steps, 1)
    ]
    left = sum(step.minutes for step in steps if not step.done)
    return "\n".join(
        [
            f"Plan for {layout.cores} core{'s' * (layout.cores > 1)}, {'GPU' if layout.gpu else 'no GPU'}, "
            f"in {start.out}:",
            *lines,
            f"About {left:.0f} minutes on a quiet machine. Ctrl-C at any time; the same command continues.",
        ]
    )
