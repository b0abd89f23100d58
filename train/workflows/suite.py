"""One policy on many tasks: record demonstrations of each, train on all, judge on each, write a report.

Every step keeps what it finished, so that the same call goes on where it was interrupted.
"""

from dataclasses import dataclass
from pathlib import Path

from ...envs import tasks
from ...eval.compare.comparison import Comparison, compare
from ...eval.compare.suite import suite_table, write_suite
from ...eval.report.comparison import write_report
from ...eval.result import CONDITIONS, EXPERT
from ...eval.training_record import TrainingRecord
from ...eval.video.clips import film
from .. import presets
from ..evaluation import EvalConfig, eval_target, evaluate_cached, expert_beside
from ..recording.record import RecordConfig, record


@dataclass(frozen=True)
class SuiteConfig:
    """What to learn, and how much."""

    tasks: str = "suite"
    """Tasks as pick+stack; suite is all for one arm."""
    preset: str = "suite"
    """Preset of the training (`vla list presets`)."""
    episodes: int = 300
    """Demonstrations of each task."""
    updates: int = 20_000
    """Updates of the training."""
    test_episodes: int = 50
    """Test episodes of each task and condition."""
    wording: str = "plain"
    """How instructions are put: plain, train or held_out."""
    robot: str | None = None
    """Robot (`vla list robots`); each task's default one if not given."""


def run_suite(config: SuiteConfig, out: Path) -> Path:
    """Does what is left to do in `out`, prints the table, and returns the path of the summary.

    Raises:
        ValueError: an unknown task or preset, or `out` holds a run with other settings.
    """
    from ..loop import train

    names = tasks.expand(config.tasks)
    data = out / "demonstrations"
    for number, name in enumerate(names, 1):
        print(f"[{number}/{len(names)}] record {config.episodes} demonstrations of {name}", flush=True)
        root = data / name.replace(":", ",")
        record(RecordConfig(root, config.episodes, name, robot=config.robot, wording=config.wording))
    print(f"train {config.preset}, {config.updates} updates", flush=True)
    run = out / config.preset
    train(presets.load(config.preset)(data, updates=config.updates), run)

    policy = eval_target(str(run))
    expert = expert_beside(policy, out / EXPERT / "eval")
    comparisons: list[Comparison] = []
    for name in names:
        exam = EvalConfig(name, config.test_episodes, wording=config.wording)
        results = [evaluate_cached(policy, exam, condition) for condition in CONDITIONS]
        comparison = compare([*results, evaluate_cached(expert, exam, "test")])
        comparisons.append(comparison)
        folder = out / "report" / exam.folder
        clips = film(comparison, folder / "videos")
        write_report(folder, comparison, {policy.name: TrainingRecord.load(run)}, clips)
    print(suite_table(comparisons))
    return write_suite(out / "report", comparisons)
