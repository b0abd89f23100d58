"""One policy on many tasks: record demonstrations of each, train on all, judge on each, write a report.

Every step keeps what it finished, so that the same call goes on where it was interrupted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...envs import tasks
from ...envs.config import EnvConfig
from ...envs.simulation.pool import usable_cores
from ...eval.compare.comparison import Comparison, compare
from ...eval.compare.suite import suite_table
from ...eval.report.comparison import write_report
from ...eval.report.suite import write_suite
from ...eval.result import CONDITIONS, EXPERT
from ...eval.training_record import TrainingRecord
from ...eval.video.clips import film
from .. import presets
from ..config import TrainConfig
from ..costs import REPORT, Costs, about, as_measured, measure_if_long, most_steps, updates_left
from ..evaluation import EvalConfig, eval_target, evaluate_cached, expert_beside
from ..recording.record import RecordConfig, record


@dataclass(frozen=True)
class SuiteConfig:
    """Settings of a suite: what to learn, and how much."""

    tasks: str = "suite"
    """Tasks as pick+stack; suite is all for one arm."""
    preset: str = "suite"
    """Preset of the training (`vla list presets`)."""
    episodes: int = 300
    """Demonstrations of each task."""
    updates: int = 15_000
    """Updates of the training."""
    test_episodes: int = 50
    """Test episodes of each task and condition."""
    wording: str = "plain"
    """Wording of instructions: plain, train or held_out."""
    robot: str | None = None
    """Robot (`vla list robots`); each task's default one if not given."""


def run_suite(config: SuiteConfig, out: Path) -> Path:
    """Does the remaining work in `out`, prints the table, and returns the path of the summary.

    Raises:
        ValueError: an unknown task or preset, or `out` holds a run with other settings.
    """
    from ..loop import train

    names = tasks.expand(config.tasks)
    data, run = out / "demonstrations", out / config.preset
    training = presets.load(config.preset)(data, updates=config.updates)
    recordings = [
        RecordConfig(
            data / name.replace(":", ","),
            config.episodes,
            EnvConfig(name, config.robot, wording=config.wording),
        )
        for name in names
    ]
    print(_plan(config, training, recordings, run), flush=True)
    for number, recording in enumerate(recordings, 1):
        print(
            f"[{number}/{len(names)}] record {config.episodes} demonstrations of {recording.env.task}",
            flush=True,
        )
        record(recording)
    print(f"train {config.preset}, {config.updates} updates", flush=True)
    train(training, run)

    policy = eval_target(str(run))
    expert = expert_beside(policy, out / EXPERT / "eval")
    comparisons: list[Comparison] = []
    for name in names:
        evaluation = EvalConfig(name, config.test_episodes, wording=config.wording)
        results = [evaluate_cached(policy, evaluation, condition) for condition in CONDITIONS]
        comparison = compare([*results, evaluate_cached(expert, evaluation, "test")])
        comparisons.append(comparison)
        folder = out / "report" / evaluation.folder
        clips = film(comparison, folder / "videos")
        write_report(folder, comparison, {policy.name: TrainingRecord.load(run)}, clips)
    print(suite_table(comparisons).aligned())
    return write_suite(out / "report", comparisons)


def _plan(config: SuiteConfig, training: TrainConfig, recordings: Sequence[RecordConfig], run: Path) -> str:
    """Describes the steps ahead, how long they may take on this machine, and how to shorten them."""
    lines = [
        f"{len(recordings)} tasks, {config.episodes} demonstrations of each; {config.updates} updates; "
        f"{config.test_episodes} episodes of each task and condition."
    ]
    by_length = sorted(recordings, key=lambda recording: most_steps(recording.env.task, recording))
    left = updates_left(training, run)
    costs = measure_if_long([(training, one) for one in (by_length[0], by_length[-1])], left, 1)
    if costs is not None:
        cores = usable_cores()
        missing = [one for one in recordings if not one.root.exists()]
        recording = sum(costs.recording(one) for one in missing) / cores
        learning = left * costs.update(training)
        evaluating = sum(_evaluating(config, training, one, costs) for one in recordings) / cores
        filming = sum(costs.recording(one, REPORT) for one in recordings)
        total = recording + learning + evaluating + filming
        fewer = config.updates // 4
        lines.append(
            f"{about(total).capitalize()} in all, {as_measured()}: {about(recording)} to record, "
            f"{about(learning)} to train, {about(evaluating)} to evaluate, {about(filming)} to film. "
            f"Shorter: `--updates {fewer}` trains for {about(fewer * costs.update(training))}, and the "
            "policy learns less; `--tasks pick+place`, `--episodes`, `--test-episodes`."
        )
    return "\n".join([*lines, "Ctrl-C at any time; the same command continues."])


def _evaluating(config: SuiteConfig, training: TrainConfig, recording: RecordConfig, costs: Costs) -> float:
    """Core-seconds of the evaluations on one task."""
    evaluation = EvalConfig(recording.env.task, config.test_episodes)
    evaluations = (costs.evaluation(evaluation, (training, recording), fails=c != "test") for c in CONDITIONS)
    return sum(evaluations) + costs.recording(recording, config.test_episodes)  # the expert's
