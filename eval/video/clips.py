"""Videos of a comparison. Fixed rules select the episodes, so that they are not cherry-picked."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ...envs.simulation.pool import usable_cores
from ..compare.comparison import Comparison
from ..result import EXPERT, TITLES, UNDECIDED, Condition, EpisodeResult, EvalResult
from .encode import write_mp4
from .overlay import side_by_side
from .replay import replay

SPEED = 0.5
"""Playback speed relative to real time: a pick takes little more than a second."""
APART = 0.03
"""Distance between grippers beyond which two episodes have diverged [m]: a finger's width."""


@dataclass(frozen=True)
class Choice:
    """Episode to show, and the rule that selected it."""

    seed: int
    condition: Condition
    rule: str


@dataclass(frozen=True)
class Clip:
    """Side-by-side video of all policies on one seed."""

    path: Path
    choice: Choice
    outcomes: dict[str, str]
    parted: float | None = None
    """Time at which the episodes have diverged [s]; None if they do not, or if there is only one."""


def film(comparison: Comparison, folder: Path, *, size: int = 240, progress: bool = True) -> list[Clip]:
    """Renders the videos that `choose` selects into `folder`, each picture `size` pixels wide.

    Raises:
        ValueError: the actions of a selected episode were not kept.
        ReplayError: the replay of an episode differs from its record.
    """
    choices = choose(comparison)
    with ThreadPoolExecutor(usable_cores()) as pool:  # MuJoCo lets other threads run while it draws
        clips = pool.map(lambda choice: _film_one(comparison, choice, folder, size), choices)
        return list(tqdm(clips, total=len(choices), desc="videos", unit="video", disable=not progress))


def _film_one(comparison: Comparison, choice: Choice, folder: Path, size: int) -> Clip:
    shown = [
        (result, episode)
        for result in _shown(comparison, choice.condition)
        for episode in result.episodes
        if episode.seed == choice.seed
    ]
    footages = [replay(result, episode, size=size) for result, episode in shown]
    step, hz = parting([episode for _, episode in shown]), shown[0][0].spec["control_hz"]
    path = folder / f"{choice.condition}-{choice.seed}.mp4"
    write_mp4(side_by_side(footages, speed=SPEED, parted=step), path, SPEED * hz)
    outcomes = {result.policy: episode.outcome for result, episode in shown}
    return Clip(path, choice, outcomes, None if step is None else step / hz)


def parting(episodes: list[EpisodeResult]) -> int | None:
    """Number of control steps after which two grippers are first more than APART from each other.

    None if they never are, or if the paths were not kept. An episode that has ended stays at its last
    position.
    """
    paths = [episode.path for episode in episodes if episode.path is not None and len(episode.path)]
    if len(paths) < 2:
        return None
    longest = max(map(len, paths))
    held = np.stack([path[np.minimum(np.arange(longest), len(path) - 1)] for path in paths])
    apart = np.linalg.norm(held[:, None] - held[None], axis=-1).max(axis=(0, 1)) > APART
    return int(apart.argmax()) + 1 if apart.any() else None


def choose(comparison: Comparison) -> list[Choice]:
    """Selects, for each of a fixed list of rules, the first seed that matches; no episode is selected
    twice."""
    policies = _shown(comparison, "test")
    names = [result.policy for result in policies]
    choices: list[Choice] = []

    def add(
        condition: Condition, rule: str, outcomes: dict[int, list[bool]], wanted: list[bool] | None
    ) -> None:
        """Adds the first seed with the `wanted` outcomes, or for None with differing outcomes."""
        for seed, won in sorted(outcomes.items()):
            if won == wanted or (wanted is None and len(set(won)) > 1):
                if (seed, condition) not in [(c.seed, c.condition) for c in choices]:
                    choices.append(Choice(seed, condition, rule))
                return

    won = _shared(policies)
    every = "every policy" if len(names) > 1 else "the policy"
    add("test", f"the first test seed on which {every} succeeded", won, [True] * len(names))
    add("test", "the first test seed on which some policies succeeded and others did not", won, None)
    add("test", f"the first test seed on which {every} failed", won, [False] * len(names))
    for i, name in enumerate(names):
        add(
            "test",
            f"the first test seed on which {name} failed",
            {s: [w[i]] for s, w in won.items()},
            [False],
        )
    for condition in ("swapped_instruction", "blank_image"):
        if seeds := _shared(_shown(comparison, condition)):
            choices.append(
                Choice(min(seeds), condition, f"the first seed of the condition “{TITLES[condition]}”")
            )
    return choices


def _shown(comparison: Comparison, condition: Condition) -> list[EvalResult]:
    return [r for r in comparison.results if r.condition == condition and r.policy != EXPERT]


def _shared(results: list[EvalResult]) -> dict[int, list[bool]]:
    """Success of each of `results` by seed, for seeds that all finished without error and with actions
    kept."""
    kept: list[dict[int, EpisodeResult]] = [
        {e.seed: e for e in result.episodes if e.outcome not in UNDECIDED and e.actions is not None}
        for result in results
    ]
    seeds = set.intersection(*(set(episodes) for episodes in kept)) if kept else set()
    return {seed: [episodes[seed].outcome == "success" for episodes in kept] for seed in seeds}
