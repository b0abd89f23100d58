"""Evaluations kept in the run's folder, `RUN/eval/CONDITION/`: what was played once is not played again."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from ..common.errors import AbsentFileError, InputError
from ..common.registry import check_name
from ..envs import tasks
from ..envs.config import EnvConfig
from ..envs.seeds import TEST, VALIDATION
from ..eval.result import CONDITIONS, EXPERT, WEIGHTS, Condition, EvalResult, ResultError, weights_of
from ..eval.rollout.lane_player import EvaluationError
from ..eval.training_record import TrainingRecord, read_summary
from ..policies import packaged
from ..policies.execution import FORMER, Execution
from .served_policy import SCHEMES, ServedPolicy

BEST = "best"
"""Folder of a run with the best policy that was seen while it was trained; itself like that of a run."""
UNFINISHED = ".unfinished"
"""Suffix of the folder with the episodes of an evaluation that was interrupted."""
Keep = Callable[[EvalResult], None]
"""Function that stores what was played before an interruption."""


@dataclass(frozen=True)
class EvalTarget:
    """Policy, or the expert, and the folder of its results."""

    name: str
    """Name shown to people; unique within a comparison."""
    policy: Path | None
    """Folder of the policy; None for the expert."""
    results: Path
    """Folder of its evaluations: TASK/CONDITION, where TASK says how the episodes are varied too."""
    env: EnvConfig = field(default_factory=EnvConfig)
    """Robot and control rate of the expert; a policy knows its own."""
    served: ServedPolicy | None = None
    """Policy behind a socket, in place of one in a folder."""

    @property
    def is_expert(self) -> bool:
        """Whether this is the task's scripted expert."""
        return self.policy is None and self.served is None


@dataclass(frozen=True)
class EvalConfig:
    """Settings of an evaluation, the same for all targets of a comparison."""

    task: str = "pick"
    """Task (`vla list tasks`); several as pick+stack, or suite for all single-arm ones. By default what the
    policies were trained on."""
    episodes: int = 100
    """Number of episodes; their seeds are the first ones of the split."""
    split: Literal["test", "validation"] = "test"
    """Range of seeds (`envs.seeds`): validation to choose by, test to report."""
    execution_horizon: int = 4
    """Actions executed of each chunk before the policy is queried again."""
    inference_delay: int = 0
    """Control steps by which the policy's answers come late; meanwhile the last one goes on, or, with
    --blocking, the robot stands still."""
    blocking: bool = False
    """Whether the robot waits for late answers."""
    rtc: bool = False
    """Whether each answer continues the previous one (real-time chunking); needs the flow head."""
    ensemble: float | None = None
    """Decay of a temporal ensemble over all answers for a step, 0.01 in ACT; needs execution horizon 1."""
    sampling: str = ""
    """Settings of the head's sampling in place of the policy's own, e.g. steps=5,temperature=0."""
    wording: str = "plain"
    """Wording of instructions: plain, train or held_out."""
    combinations: str = "all"
    """Attribute combinations to ask for: all, train or held_out."""
    perturb: str = ""
    """Perturbations of the nominal episodes, e.g. camera=3 (`vla list perturbations`)."""
    quality: str = "fast"
    """Rendering quality of the images that policies see, fast or pretty: that of their demonstrations."""
    workers: int | None = None
    """Simulation processes; one per core by default. No result depends on it."""

    def __post_init__(self) -> None:
        if not 1 <= self.episodes <= len(TEST):
            raise InputError(f"episodes must be between 1 and {len(TEST)}, got {self.episodes}")

    @property
    def execution(self) -> Execution:
        """Execution of the policy's chunks."""
        return Execution(self.execution_horizon, self.inference_delay, self.blocking, self.rtc, self.ensemble)

    def env(self, base: EnvConfig) -> EnvConfig:
        """The environment to play in: `base` with the task and the variations of this evaluation."""
        return replace(
            base,
            task=self.task,
            wording=self.wording,
            combinations=self.combinations,
            perturb=self.perturb,
            quality=self.quality,
        )

    @property
    def folder(self) -> str:
        """Folder name of these episodes' results, e.g. "stack,wording=held_out,perturb=camera=3"."""
        same = ("task", "episodes", "workers")
        varied = [(f.name, getattr(self, f.name)) for f in fields(self) if f.name not in same]
        defaults = {f.name: f.default for f in fields(self)}
        # Folders keep the names that these settings had before.
        former = {now: before for before, now in FORMER.items()}
        parts = [f"{former.get(name, name)}={value}" for name, value in varied if value != defaults[name]]
        return ",".join([self.task.replace(":", ","), *parts])

    @property
    def seeds(self) -> range:
        """Seeds of the episodes."""
        return {"test": TEST, "validation": VALIDATION}[self.split][: self.episodes]


def eval_target(run: str) -> EvalTarget:
    """The target that a user calls `run`: the folder of a run or of a policy, "packaged" for the policy that
    this package carries, "expert" for a task's scripted expert, or the address of a policy that is served
    elsewhere, perhaps with the file that declares what it expects: ws://127.0.0.1:8000,pi0.toml.

    Raises:
        FileNotFoundError: there is no policy in that folder, or none in this package.
        RemoteError: no policy is served at that address.
        ValueError: the declaration cannot be read.
    """
    if run == EXPERT:
        return EvalTarget(EXPERT, None, Path("runs") / EXPERT)
    if run.startswith(SCHEMES):
        served = ServedPolicy.find(run)
        return EvalTarget(served.name, None, Path("runs") / "served" / served.name / "eval", served=served)
    folder = Path(run).resolve()
    if run == packaged.NAME and not folder.exists():
        return EvalTarget(run, packaged.packaged_policy(), Path("runs") / run / "eval")
    folder = folder.parent if folder.name == "policy" else folder
    # The best policy of a run lies in a folder of its own, which is called like those of all other runs.
    name = f"{folder.parent.name}-{folder.name}" if folder.name == BEST else folder.name
    for policy in (folder / "policy", folder):
        if (policy / "config.json").exists() and (policy / "model.safetensors").exists():
            return EvalTarget(name, policy, folder / "eval")
    if (folder / "config.json").exists():
        raise AbsentFileError(f"the training in {folder} is not finished: run the same `vla train` again")
    raise AbsentFileError(
        f"no policy in '{run}': give the folder of a run that `vla train` made, or '{EXPERT}'"
    )


def learned_task(run: Path) -> str | None:
    """Task of the demonstrations that a finished training had, several as pick+stack; None if not known."""
    if not (run / "summary.json").exists():
        return None
    task = read_summary(run)["dataset"].get("task")
    return task if isinstance(task, str) else None


def training_records(targets: Sequence[EvalTarget]) -> dict[str, TrainingRecord]:
    """Training records of the policies, by name; policies that were not trained here are left out."""
    runs = {target.name: target.results.parent for target in targets if target.policy is not None}
    return {name: TrainingRecord.load(run) for name, run in runs.items() if (run / "summary.json").exists()}


def learned_tasks(who: EvalTarget) -> list[str]:
    """Tasks that a policy was trained on; none for the expert, or if that is not known."""
    folders = [who.results.parent, *([who.policy] if who.policy else [])]
    return next((text.split("+") for folder in folders if (text := learned_task(folder))), [])


def default_evaluation() -> EvalConfig:
    """The command line's default, without a task: `with_task` fills it in."""
    return EvalConfig(task="")


def with_task(config: EvalConfig, targets: Sequence[EvalTarget]) -> EvalConfig:
    """`config`, and where it names no task, with the one that the `targets` were trained on; pick if that is
    not known. Says on standard error which of them have learned nothing of a task that it names.

    Raises:
        ValueError: they were trained on different tasks.
    """
    if config.task:
        warn_of_other_tasks(targets, config)
        return config
    learned = {who.name: "+".join(names) for who in targets if (names := learned_tasks(who))}
    if len(set(learned.values())) > 1:
        each = "; ".join(f"{name}: {task}" for name, task in learned.items())
        raise InputError(f"these policies were trained on different tasks ({each}): name one with --task")
    if any(who.policy is not None for who in targets) and not learned:
        print("What task was learned is not known: judged on pick (--task names another)", file=sys.stderr)
    return replace(config, task=next(iter(learned.values()), "pick"))


def warn_of_other_tasks(targets: Sequence[EvalTarget], evaluation: EvalConfig) -> None:
    """Warns on standard error about policies that have learned none of the evaluation's tasks."""
    asked = set(tasks.expand(evaluation.task))
    for who in targets:
        learned = learned_tasks(who)
        if learned and not asked.intersection(learned):
            told = f"{who.name} is judged on {evaluation.task} but learned {'+'.join(learned)} (--task)"
            print(told, file=sys.stderr)


def expert_beside(who: EvalTarget, results: Path = Path("runs") / EXPERT) -> EvalTarget:
    """The expert with the robot and at the control rate of a policy: what is possible in its place."""
    if who.served is not None:
        spec = who.served.spec
        return EvalTarget(EXPERT, None, results, EnvConfig(robot=spec.robot, control_hz=spec.control_hz))
    if who.policy is None:
        return who
    spec = json.loads((who.policy / "config.json").read_text(encoding="utf-8"))["spec"]
    return EvalTarget(EXPERT, None, results, EnvConfig(robot=spec["robot"], control_hz=spec["control_hz"]))


def evaluate_cached(
    who: EvalTarget, evaluation: EvalConfig, condition: Condition, *, bar: bool = True
) -> EvalResult:
    """The result of `who` under `condition`: stored episodes, and the others, played and stored. Those that
    the machine could not play before are tried again.

    Args:
        bar: whether to show how it goes.

    Raises:
        ValueError: an unknown task, or a policy made for another environment.
        KeyboardInterrupt: Ctrl-C came; what was played before is kept, and the next call plays the rest.
    """
    check_name("condition", condition, CONDITIONS)
    found = load_prefix(who, evaluation, condition)
    complete = found is not None and len(found.episodes) == evaluation.episodes
    folder = who.results / evaluation.folder / condition
    unfinished = folder.with_name(condition + UNFINISHED)
    left = _stored(who, evaluation, unfinished) if unfinished.exists() else None
    if found is not None and complete and not found.missing:
        _clear(unfinished, left, evaluation)  # a kill may have come just before
        return found
    begun = (_joined(found, left) if found and left else None) or found or left

    def keep(finished: EvalResult) -> None:
        (_joined(begun, finished) or finished if begun else finished).save(unfinished)

    try:
        result = _completed(who, evaluation, condition, begun, bar, keep)
    except KeyboardInterrupt:
        kept = _stored(who, evaluation, unfinished)
        count = len([e for e in kept.episodes if e.seed in evaluation.seeds]) if kept else 0
        raise KeyboardInterrupt(f"{count} of {evaluation.episodes} episodes of {who.name} are kept") from None
    except EvaluationError as error:
        if found is None or not complete:
            raise
        print(f"{found.missing} episodes of {who.name} are still missing: {error}", file=sys.stderr)
        return found
    result.save(folder)
    _clear(unfinished, left, evaluation)
    return result


def _clear(unfinished: Path, left: EvalResult | None, evaluation: EvalConfig) -> None:
    """Removes what an interruption left, unless it has episodes of a longer evaluation."""
    if left is None or all(e.seed in evaluation.seeds for e in left.episodes):
        shutil.rmtree(unfinished, ignore_errors=True)


def load_cached(who: EvalTarget, evaluation: EvalConfig, condition: Condition) -> EvalResult | None:
    """The stored result of this evaluation on the policy as it is now; None if there is none.

    A longer evaluation holds the shorter ones, since an episode depends on its seed alone; only
    `wall_seconds` then stays that of the longer one.
    """
    found = load_prefix(who, evaluation, condition)
    return found if found is not None and len(found.episodes) == evaluation.episodes else None


def load_prefix(who: EvalTarget, evaluation: EvalConfig, condition: Condition) -> EvalResult | None:
    """The first episodes of the evaluation that are stored, of the policy as it is now; None without any."""
    result = _stored(who, evaluation, who.results / evaluation.folder / condition)
    if result is None or result.condition != condition:
        return None
    episodes = result.episodes[: evaluation.episodes]
    if not episodes or [e.seed for e in episodes] != list(evaluation.seeds[: len(episodes)]):
        return None
    return replace(result, episodes=episodes, env_steps=sum(e.steps for e in episodes))


def _stored(who: EvalTarget, evaluation: EvalConfig, folder: Path) -> EvalResult | None:
    """Stored result in `folder`, on whichever seeds, if it is of the policy as it is now, played as asked."""
    try:
        result = EvalResult.load(folder)
    except ResultError:
        return None
    played = base = EnvConfig.of_spec(result.spec)
    if who.is_expert:
        base = replace(played, robot=who.env.robot or played.robot, control_hz=who.env.control_hz)
    if played != evaluation.env(base):
        return None
    how = (result.execution, result.sampling)
    if not who.is_expert and how != (evaluation.execution, evaluation.sampling):
        return None
    if who.served is not None and not (who.served.weights and who.served.weights == result.weights):
        return None
    if who.policy is not None and not is_of(result, folder, who.policy):
        return None
    return result


def is_of(result: EvalResult, folder: Path, policy: Path) -> bool:
    """Whether a stored result is of the policy as it is now; a result without a fingerprint must at least be
    younger than the policy."""
    if result.weights:
        return result.weights == weights_of(policy)
    return (folder / "result.json").stat().st_mtime_ns >= (policy / WEIGHTS).stat().st_mtime_ns


def _completed(
    who: EvalTarget,
    evaluation: EvalConfig,
    condition: Condition,
    begun: EvalResult | None,
    bar: bool,
    keep: Keep,
) -> EvalResult:
    """Completes the evaluation: the episodes in `begun`, and the others, played now."""
    there = {e.seed for e in begun.episodes if e.outcome != "missing"} if begun else set[int]()
    missing = [seed for seed in evaluation.seeds if seed not in there]
    result = begun
    if missing:
        played = _play(who, evaluation, condition, missing, bar, keep)
        result = _joined(begun, played) if begun else played
    result = result or _play(who, evaluation, condition, evaluation.seeds, bar, keep)
    episodes = [e for e in result.episodes if e.seed in evaluation.seeds]
    return replace(
        result, seed_start=evaluation.seeds[0], episodes=episodes, env_steps=sum(e.steps for e in episodes)
    )


def _play(
    who: EvalTarget, evaluation: EvalConfig, condition: Condition, seeds: Sequence[int], bar: bool, keep: Keep
) -> EvalResult:
    if who.served is not None:
        from ..eval.rollout.served import evaluate_served  # imports torch

        if evaluation.sampling:
            raise InputError(f"{who.name} is sampled by its server: give it the sampling settings")
        return evaluate_served(
            who.served.connect,
            evaluation.env(who.env),
            seeds,
            condition=condition,
            workers=evaluation.workers,
            execution=evaluation.execution,
            name=who.name,
            progress=bar,
            keep=keep,
        )
    from ..eval.rollout.evaluate import evaluate  # imports torch

    return evaluate(
        who.policy or EXPERT,
        evaluation.env(who.env),
        seeds,
        condition=condition,
        workers=evaluation.workers,
        execution=evaluation.execution,
        sampling=evaluation.sampling,
        name=who.name,
        progress=bar,
        keep=keep,
    )


def _joined(first: EvalResult, rest: EvalResult) -> EvalResult | None:
    """Joins both parts into one evaluation, with the latency of the second; None if they were not made in
    the same way."""
    made = [(r.spec, r.versions, r.lanes, r.threads) for r in (first, rest)]
    if made[0] != made[1]:
        return None
    episodes = {e.seed: e for e in (*first.episodes, *rest.episodes)}
    return replace(
        rest,
        seed_start=min(episodes),
        episodes=[episodes[seed] for seed in sorted(episodes)],
        wall_seconds=first.wall_seconds + rest.wall_seconds,
        env_steps=sum(e.steps for e in episodes.values()),
    )
