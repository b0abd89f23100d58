"""How a policy moves, whether it succeeds or not: time, smoothness, jumps between chunks, ways; numpy only.

Positions and actions are known once per control step. What is quicker cannot be seen, so jerk and arc length
of different control rates are not to be compared.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ...policies.execution import Execution
from ..result import EpisodeResult, EvalResult

CUT = 10.0
"""Highest frequency that counts in `spectral_arc_length` [Hz]."""
THRESHOLD = 0.05
"""Share of the largest amplitude below which the end of a spectrum does not count."""
PADDED = 16
"""A spectrum has at least so many times the points that the speeds give it."""


@dataclass(frozen=True)
class MotionMetrics:
    """Of all episodes of one result but those that raised. What no episode can tell is nan."""

    time_to_success: float
    """Mean over the successful episodes, with the time for which success must last [s]."""
    sparc: float
    """Mean spectral arc length, nearer to zero is smoother: one smooth stroke has about -1.4."""
    jerk: float
    """Mean over the episodes of the root mean square jerk [m/s^3]."""
    boundary_jump: float
    """How many times larger changes of the commanded velocity are from chunk to chunk than inside chunks."""
    modes: dict[str, int]
    """Episodes that took each of several equally good ways, successful or not, by name."""


def measures(result: EvalResult) -> MotionMetrics:
    """The measures of `result`; those of smoothness are over successes and failures alike."""
    hz = float(result.spec["control_hz"])
    episodes = [e for e in result.episodes if e.outcome != "error"]
    paths = [e.path.astype(np.float64) for e in episodes if e.path is not None]
    return MotionMetrics(
        time_to_success=mean_known(e.steps / hz for e in episodes if e.outcome == "success"),
        sparc=mean_known(spectral_arc_length(path, hz) for path in paths),
        jerk=mean_known(root_mean_square_jerk(path, hz) for path in paths),
        boundary_jump=boundary_jump(result),
        modes=dict(sorted(Counter(e.mode for e in episodes if e.mode is not None).items())),
    )


def spectral_arc_length(path: Float[np.ndarray, "t d"], hz: float) -> float:
    """SPARC of the speed along `path` [m], sampled at `hz` [Hz]; nan for fewer than two points or no motion.

    Minus the length of the curve of the amplitude spectrum over the frequency, after both were scaled to
    0..1, up to CUT (or half of `hz`) and there to the last amplitude of at least THRESHOLD. It depends
    neither on the size nor on the duration of the movement. Several grippers move as one point of more
    dimensions. (Balasubramanian et al. 2015, On the analysis of movement smoothness, J. NeuroEng. Rehabil.
    12:112; their values of CUT, 20 pi rad/s, THRESHOLD and zero padding.)
    """
    speed = np.linalg.norm(np.diff(path, axis=0), axis=1) * hz
    if not speed.any():
        return math.nan
    points = PADDED * 2 ** math.ceil(math.log2(len(speed)))
    amplitude = np.abs(np.fft.rfft(speed, points)) / speed.sum()  # a speed's largest is that of 0 Hz
    counted = np.flatnonzero((np.fft.rfftfreq(points, 1 / hz) <= CUT) & (amplitude >= THRESHOLD))
    curve = amplitude[: counted[-1] + 1]
    return -float(np.hypot(np.diff(curve), 1 / (len(curve) - 1)).sum())


def root_mean_square_jerk(path: Float[np.ndarray, "t d"], hz: float) -> float:
    """Of third differences of `path` [m], sampled at `hz` [Hz]: [m/s^3]; nan for fewer than four points."""
    jerk = np.diff(path, n=3, axis=0) * hz**3
    return float(np.sqrt((jerk**2).sum(axis=1).mean())) if len(jerk) else math.nan


def boundary_jump(result: EvalResult) -> float:
    """Root mean square change of the commanded velocity where a new chunk begins, over that inside chunks.

    1: one cannot see where chunks begin. The velocity is what an action asks for beyond the action before:
    a delta action itself, the difference of two absolute ones, and of relative ones too but for the first of
    a chunk, which counts from the last command. A change at a step is inside if all actions that it is made
    of are of one chunk; between absolute actions, one at the second step of a chunk is neither. Each
    dimension is measured in its own root mean square change over all steps; so units and amplitudes drop out.
    Left out are grippers, which are told to jump, and 6-D rotations, whose numbers do not add up.

    nan if no change is inside a chunk or all are (the expert has none), if nothing inside changes, or if the
    robot stood still between chunks.
    """
    if result.execution.wait and result.execution.delay:
        return math.nan
    dims = result.spec["action_space"]["dims"]
    mode = result.spec["action_space"]["name"].rpartition("_")[2]
    arm = [i for i, name in enumerate(dims) if not (name.endswith("gripper") or "rot6d" in name)]
    changes, inside = [np.empty((0, len(arm)))], [np.empty(0, bool)]
    for episode in result.episodes:
        if episode.outcome != "error" and episode.actions is not None and episode.chunks:
            owner = chunk_of_step(episode, result.execution)
            change, same = _changes(episode.actions[:, arm].astype(np.float64), owner, mode)
            changes.append(change)
            inside.append(same)
    squares, within = np.concatenate(changes) ** 2, np.concatenate(inside)
    if within.all() or not squares[within].any():
        return math.nan
    moves = squares.any(axis=0)
    scaled = squares[:, moves] / squares[:, moves].mean(axis=0)
    return math.sqrt(scaled[~within].mean() / scaled[within].mean())


def chunk_of_step(episode: EpisodeResult, execution: Execution) -> Int[np.ndarray, " t"]:
    """The number of the chunk that each executed action is of; `execution` does not wait."""
    # The first answer is waited for.
    begins = [step + (execution.delay if number else 0) for number, (step, _) in enumerate(episode.chunks)]
    return np.searchsorted(begins, np.arange(episode.steps), side="right") - 1


def _changes(actions: np.ndarray, owner: np.ndarray, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Changes of the commanded velocity [c, a]; True for those inside a chunk, False where one begins [c]."""
    difference, same = np.diff(actions, axis=0), owner[1:] == owner[:-1]
    if mode == "delta":
        return difference, same
    if mode == "relative":
        # The first velocity of a chunk is wholly of this chunk.
        difference[~same] = actions[1:][~same]
        return np.diff(difference, axis=0), same[1:]
    told = same[:-1] | ~same[1:]
    return np.diff(difference, axis=0)[told], same[1:][told]


def mean_measures(several: Sequence[MotionMetrics]) -> MotionMetrics:
    """Means of those that are not nan, and all episodes by mode."""
    return MotionMetrics(
        mean_known(one.time_to_success for one in several),
        mean_known(one.sparc for one in several),
        mean_known(one.jerk for one in several),
        mean_known(one.boundary_jump for one in several),
        dict(sum((Counter(one.modes) for one in several), Counter())),
    )


def mean_known(values: Iterable[float]) -> float:
    """Of those that are not nan."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
