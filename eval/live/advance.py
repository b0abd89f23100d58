"""One control step of all scenes: asks policies whose chunks are used up, and waits for the simulations."""

from multiprocessing.connection import wait
from typing import Any

import numpy as np

from .messages import Drive, SceneError
from .scenes import Scenes
from .track import Track

DIVERGED = 0.01
"""Distance between the grippers of two scenes from which on they differ [m]."""


def advance(scenes: Scenes) -> None:
    """One control step of every scene that moves.

    Raises:
        ValueError: a scene refused it, a policy is out of reach, or an episode could not be recorded.
        SceneDiedError: a simulation process is gone.
    """
    waiting: dict[Any, Track] = {}
    for number, track in enumerate(scenes.tracks):
        if scenes.is_live(track):
            _start(scenes, number, track)
            waiting[track.process.connection] = track
    refused: SceneError | None = None
    while waiting:
        for connection in wait(list(waiting)):
            track = waiting[connection]
            try:
                done, result = track.process.receive()
            except SceneError as error:
                done, result, refused = True, track.view, error
            if done:
                track.view = result
                del waiting[connection]
    if refused is not None:
        raise refused
    _compare(scenes)
    if scenes.tracks[0].view.ended:
        scenes.take()
    if scenes.is_playing and scenes.have_ended:
        scenes.is_playing = False
        scenes.draw("pretty")


def _start(scenes: Scenes, number: int, track: Track) -> None:
    assert track.opened is not None
    seconds = 1 / (track.opened.spec["control_hz"] * scenes.speed) if scenes.speed else 0.0
    acts = scenes.is_playing and not track.view.ended
    if acts and track.asking is not None and not track.pending:
        _ask(scenes, number, track)
    drive = track.next_drive(seconds) if acts else Drive("hold", seconds=seconds)
    track.steps += acts
    track.process.start("step", drive)


def _ask(scenes: Scenes, number: int, track: Track) -> None:
    assert track.asking is not None and track.executor is not None  # noqa: PT018
    answer = track.asking.ask(track.view.observation, track.executor.left())
    block = track.executor.block(answer.chunk)
    if scenes.execution.blocking and track.steps:
        track.pending.extend([(None, False)] * scenes.execution.inference_delay)
    track.pending.extend((action, i > 0) for i, action in enumerate(block))
    track.process.tell("paths", np.concatenate([answer.chunk[None], answer.fan]))
    if scenes.shows_heat:
        scenes.publish_heat(number, track)


def _compare(scenes: Scenes) -> None:
    """Marks when two scenes of one seed begin to differ."""
    if len(scenes.tracks) == 2 and scenes.diverged is None:
        a, b = (track.view for track in scenes.tracks)
        if a.grippers.shape == b.grippers.shape and abs(a.seconds - b.seconds) < 1e-6:
            if float(np.linalg.norm(a.grippers - b.grippers, axis=1).max()) > DIVERGED:
                scenes.diverged = a.seconds
