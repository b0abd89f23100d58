"""Motion metrics: time, smoothness, jumps between chunks, and modes, whether or not the policy succeeds.

Positions and actions are known once per control step. Faster motion is invisible, so jerk and arc length are
not comparable between control rates.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ...policies.execution import Execution
from ..result import UNDECIDED, EpisodeResult, EvalResult

CUT = 10.0
"""Cutoff frequency of `spectral_arc_length` [Hz]."""
THRESHOLD = 0.05
"""Fraction of the largest amplitude below which the tail of a spectrum is ignored."""
PADDED = 16
"""Minimum factor by which speeds are zero-padded before the Fourier transform."""


@dataclass(frozen=True)
class MotionMetrics:
    """Motion metrics over all episodes of a result that did not raise; NaN where no episode defines a
    metric."""

    time_to_success: float
    """Mean duration of the successful episodes, including the time for which success must last [s]."""
    sparc: float
    """Mean spectral arc length; closer to zero is smoother, and one smooth stroke has about -1.4."""
    jerk: float
    """Root mean square jerk, the mean over the episodes [m/s^3]."""
    boundary_jump: float
    """Ratio of changes of the commanded velocity between chunks to those within chunks."""
    modes: dict[str, int]
    """Number of episodes, successful or not, by which of several equally good ways they took."""


def motion_metrics(result: EvalResult) -> MotionMetrics:
    """Computes the metrics of `result`; those of smoothness are over successes and failures alike."""
    hz = float(result.spec["control_hz"])
    episodes = [e for e in result.episodes if e.outcome not in UNDECIDED]
    paths = [e.path.astype(np.float64) for e in episodes if e.path is not None]
    return MotionMetrics(
        time_to_success=mean_known(e.steps / hz for e in episodes if e.outcome == "success"),
        sparc=mean_known(spectral_arc_length(path, hz) for path in paths),
        jerk=mean_known(root_mean_square_jerk(path, hz) for path in paths),
        boundary_jump=boundary_jump(result),
        modes=dict(sorted(Counter(e.mode for e in episodes if e.mode is not None).items())),
    )


def spectral_arc_length(path: Float[np.ndarray, "t d"], hz: float) -> float:
    """SPARC of the speed along `path` [m], sampled at `hz` [Hz]; NaN for fewer than two points or no motion.

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
    """RMS jerk of `path` [m], sampled at `hz` [Hz], from third differences [m/s^3]; NaN for fewer than four
    points."""
    jerk = np.diff(path, n=3, axis=0) * hz**3
    return float(np.sqrt((jerk**2).sum(axis=1).mean())) if len(jerk) else math.nan


def boundary_jump(result: EvalResult) -> float:
    """Ratio of the RMS change of the commanded velocity where a new chunk begins to that within chunks.

    1 means that chunk boundaries are invisible. The velocity is what an action asks for beyond the action
    before: a delta action itself, the difference of two absolute ones, and of relative ones too but for the
    first of a chunk, which counts from the last command. A change at a step is inside if all actions that it
    is made of are of one chunk; between absolute actions, one at the second step of a chunk is neither. Each
    dimension is measured in its own root mean square change over all steps; so units and amplitudes drop out.
    Left out are grippers, which are told to jump, and 6-D rotations, whose numbers do not add up.

    NaN if no change is inside a chunk or all are (the expert has no chunks), if nothing inside changes, or if
    the robot stands still between chunks.
    """
    if result.execution.blocking and result.execution.inference_delay:
        return math.nan
    dims = result.spec["action_space"]["dims"]
    mode = result.spec["action_space"]["name"].rpartition("_")[2]
    arm = [i for i, name in enumerate(dims) if not (name.endswith("gripper") or "rot6d" in name)]
    changes, inside = [np.empty((0, len(arm)))], [np.empty(0, bool)]
    for episode in result.episodes:
        if episode.outcome not in UNDECIDED and episode.actions is not None and episode.chunks:
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
    """Index of the chunk of each executed action; `execution` must not be blocking."""
    # The robot waits for the first chunk in any case.
    begins = [
        step + (execution.inference_delay if number else 0) for number, (step, _) in enumerate(episode.chunks)
    ]
    return np.searchsorted(begins, np.arange(episode.steps), side="right") - 1


def _changes(actions: np.ndarray, owner: np.ndarray, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Changes of the commanded velocity [c, a], and whether each lies within a chunk [c]."""
    difference, same = np.diff(actions, axis=0), owner[1:] == owner[:-1]
    if mode == "delta":
        return difference, same
    if mode == "relative":
        # The first velocity of a chunk belongs entirely to that chunk.
        difference[~same] = actions[1:][~same]
        return np.diff(difference, axis=0), same[1:]
    told = same[:-1] | ~same[1:]
    return np.diff(difference, axis=0)[told], same[1:][told]


def mean_metrics(several: Sequence[MotionMetrics]) -> MotionMetrics:
    """Averages metrics over results, ignoring NaN, and sums the episodes by mode."""
    return MotionMetrics(
        mean_known(one.time_to_success for one in several),
        mean_known(one.sparc for one in several),
        mean_known(one.jerk for one in several),
        mean_known(one.boundary_jump for one in several),
        dict(sum((Counter(one.modes) for one in several), Counter())),
    )


def mean_known(values: Iterable[float]) -> float:
    """Mean of the values that are not NaN; NaN without any."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
