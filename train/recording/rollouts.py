"""Records what a policy does, failures included, as a LeRobotDataset v3.0.

Beside the columns of demonstrations there are success, progress, reward, stage and who drove. The labels are
the policy's own actions. Cloning leaves episodes that failed out, unless it is asked to take them.
"""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from ...common.errors import InputError
from ...envs.config import EnvConfig
from ...envs.episode import Episode
from ...envs.rollout import RolloutPlan
from ...envs.seeds import DEMONSTRATIONS, ROLLOUTS, trial
from ...eval.result import EpisodeResult
from ...eval.rollout.lane_player import Finish
from ...eval.rollout.rollouts import play_rollouts
from ...policies.policy import Policy
from ..data.files import exclusive
from ..data.staging import FOLDER
from ..data.writer import DatasetWriter, check_root
from ..initial_policy import PolicySource


@dataclass(frozen=True)
class RolloutRecordConfig:
    """Settings of a recording of rollouts."""

    root: Path
    """Folder of the dataset. If it holds episodes with the same settings, recording goes on from them."""
    policy: str
    """Folder of a run or a policy, which decides the robot, the actions and the cameras."""
    env: EnvConfig = field(default_factory=EnvConfig)
    """Task, wording, combinations, perturbations and rendering quality; the rest comes from the policy."""
    episodes: int = 100
    """Episodes that the dataset shall have, whatever comes of them."""
    first_seed: int = ROLLOUTS.start
    """Seed of the first one; the next ones follow."""
    workers: int | None = None
    """Simulation processes; one per core by default."""


def record_rollouts(config: RolloutRecordConfig, *, progress: bool = True) -> Path:
    """Records until the dataset has `config.episodes` episodes, and returns its folder.

    An episode depends on the policy and its seed alone; whatever is finished when the recording is
    interrupted is kept.

    Raises:
        ValueError: settings that cannot be, or that differ from the folder's.
        EvaluationError: a simulation process cannot start, or episodes are missing.
    """
    seeds = range(config.first_seed, config.first_seed + config.episodes)
    if config.episodes < 1 or seeds[0] not in DEMONSTRATIONS or seeds[-1] not in DEMONSTRATIONS:
        raise InputError(
            f"episodes must be at least 1 and their seeds in {DEMONSTRATIONS.start} to "
            f"{DEMONSTRATIONS.stop - 1}, got {config.episodes} from {config.first_seed} on; the other seeds "
            "are for judging policies"
        )
    source = PolicySource.find(config.policy)
    policy = Policy.load(source.folder)
    # A recording has no chunks that actions could count from.
    plan = RolloutPlan(space=policy.spec.action_space.replace("_relative", "_delta"))
    settings = {
        "policy": source.summary()["sha256"],
        "first_seed": config.first_seed,
        **{name: getattr(config.env, name) for name in ("task", "wording", "combinations", "perturb")},
    }
    if config.env.quality != EnvConfig.quality:
        settings["quality"] = config.env.quality
    check_root(config.root, settings)
    with exclusive(config.root / FOLDER, wait=False):
        writer = DatasetWriter(config.root, settings)
        known = writer.outcomes()
        if missing := [trial(seed) for seed in seeds if seed not in known]:
            play_rollouts(
                policy,
                config.env,
                missing,
                plan,
                storing(writer),
                workers=config.workers,
                name=f"recording {config.env.task}",
                progress=progress,
            )
        writer.commit(config.episodes)
    return config.root


def storing(writer: DatasetWriter) -> Finish:
    """Puts rollouts into a dataset; one whose code raised is noted as such, one that is missing is not."""
    lock = threading.Lock()

    def take(result: EpisodeResult, episode: Episode | None) -> None:
        with lock:
            if episode is None and result.outcome == "error":
                writer.add_failure(result.seed)
            elif episode is not None:
                writer.add_episode(episode, episode.metadata["spec"])

    return take
