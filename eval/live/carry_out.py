"""Effects of the page's commands on the scenes."""

from functools import singledispatch
from typing import Any

from ...envs import perturb, robots, tasks
from ...envs.perturbation_set import PerturbationSet
from ...policies.execution import Execution
from . import commands as c
from .advance import advance
from .messages import SceneError
from .scenes import Scenes

QUALITIES = ("fast", "shadow", "pretty")


@singledispatch
def carry_out(command: Any, scenes: Scenes) -> None:
    """Does what a command says, or changes nothing.

    Raises:
        ValueError: it cannot be done; says why.
        SceneDiedError: a simulation process is gone.
    """
    raise TypeError(f"{type(command).__name__} is not for the scenes")


@carry_out.register
def _(command: c.Play, scenes: Scenes) -> None:
    if scenes.have_ended:
        scenes.open()
    scenes.is_playing = True


@carry_out.register
def _(command: c.Pause, scenes: Scenes) -> None:
    scenes.is_playing = False
    scenes.draw("pretty")


@carry_out.register
def _(command: c.Step, scenes: Scenes) -> None:
    scenes.is_playing = True
    try:
        advance(scenes)
    finally:
        scenes.is_playing = False
    scenes.draw("pretty")


@carry_out.register
def _(command: c.Reset, scenes: Scenes) -> None:
    before = scenes.seed, scenes.sentence
    if command.seed is not None and command.seed != scenes.seed:
        scenes.recording.check_seed(command.seed)
        scenes.seed, scenes.sentence = command.seed, None
    try:
        scenes.open()
    except ValueError:
        scenes.seed, scenes.sentence = before
        raise


@carry_out.register
def _(command: c.Scenery, scenes: Scenes) -> None:
    task = tasks.check(command.task)
    if command.robot:
        robots.load(command.robot)
    scenes.stop_recording()  # another task has a dataset of its own
    before = scenes.task, scenes.robot, scenes.sentence
    scenes.task, scenes.robot, scenes.sentence = task, command.robot, None
    try:
        scenes.open()
    except ValueError:
        scenes.task, scenes.robot, scenes.sentence = before
        raise


@carry_out.register
def _(command: c.Who, scenes: Scenes) -> None:
    track = scenes.track(command.scene)
    before = track.who, track.player, track.asking, track.executor
    track.who, track.player = scenes.known(command.name), scenes.players.get(command.name)
    try:
        scenes.change(track)
    except ValueError:
        track.who, track.player, track.asking, track.executor = before
        raise
    track.is_touched = track.is_touched or track.steps > 0


@carry_out.register
def _(command: c.Beside, scenes: Scenes) -> None:
    if command.name:
        scenes.show_beside(command.name)
    else:
        scenes.show_one()


@carry_out.register
def _(command: c.Say, scenes: Scenes) -> None:
    if not command.text.strip():
        scenes.sentence = None
        scenes.open()
        return
    scenes.take()  # an episode has one instruction
    scenes.sentence = command.text
    for track in scenes.tracks:
        track.view = track.process.call("say", command.text)
        track.is_touched = track.is_touched or track.steps > 0
        scenes.ask_anew(track)


@carry_out.register
def _(command: c.Speed, scenes: Scenes) -> None:
    scenes.speed = command.value


@carry_out.register
def _(command: c.Execute, scenes: Scenes) -> None:
    asked = Execution(command.execute, command.delay, command.wait, command.guided, command.ensemble)
    before, scenes.execution = scenes.execution, asked
    try:
        for track in scenes.tracks:
            scenes.ask_anew(track)
    except ValueError:
        scenes.execution = before
        for track in scenes.tracks:
            scenes.ask_anew(track)
        raise


@carry_out.register
def _(command: c.Sampling, scenes: Scenes) -> None:
    for player in {track.player for track in scenes.tracks if track.player is not None}:
        player.resample(command.text)
    scenes.sampling = command.text
    for track in scenes.tracks:
        scenes.ask_anew(track)


@carry_out.register
def _(command: c.Perturb, scenes: Scenes) -> None:
    before, scenes.levels = scenes.levels, {k: v for k, v in command.levels.items() if v}
    try:
        for name in scenes.levels:
            if name not in perturb.names():
                raise SceneError(f"unknown perturbation {name!r}; valid: {', '.join(perturb.names())}")
        PerturbationSet(scenes.perturb_text)
        for track in scenes.tracks:
            scenes.change(track)
            track.is_touched = track.is_touched or track.steps > 0
    except ValueError:
        scenes.levels = before
        raise


@carry_out.register
def _(command: c.Picture, scenes: Scenes) -> None:
    if command.quality not in QUALITIES:
        raise SceneError(f"unknown quality {command.quality!r}; valid: {', '.join(QUALITIES)}")
    scenes.quality = command.quality
    scenes.draw()


@carry_out.register
def _(command: c.Show, scenes: Scenes) -> None:
    scenes.shows_heat = command.heat
    for number, track in enumerate(scenes.tracks):
        scenes.publish_heat(number, track)


@carry_out.register
def _(command: c.Pull, scenes: Scenes) -> None:
    track = scenes.track(command.scene)
    track.process.call("pull", command.x, command.y)
    track.is_pulled = track.is_touched = True


@carry_out.register
def _(command: c.Release, scenes: Scenes) -> None:
    track = scenes.track(command.scene)
    track.process.call("release")
    track.is_pulled = False


@carry_out.register
def _(command: c.Kick, scenes: Scenes) -> None:
    _touch(scenes, command.scene, "kick_at", command.x, command.y)


@carry_out.register
def _(command: c.Nudge, scenes: Scenes) -> None:
    _touch(scenes, command.scene, "kick_body", command.body, command.direction)


@carry_out.register
def _(command: c.Drop, scenes: Scenes) -> None:
    if not _touch(scenes, command.scene, "drop", command.x, command.y):
        raise SceneError("nothing is left to drop; a reset brings it back")


@carry_out.register
def _(command: c.Clip, scenes: Scenes) -> None:
    scenes.draw()
    scenes.publish_clips()


@carry_out.register
def _(command: c.Record, scenes: Scenes) -> None:
    if command.on:
        scenes.record()
    else:
        scenes.stop_recording()


@carry_out.register
def _(command: c.Discard, scenes: Scenes) -> None:
    scenes.recording.discard()


@carry_out.register
def _(command: c.Mark, scenes: Scenes) -> None:
    scenes.recording.mark(command.success)


def _touch(scenes: Scenes, scene: int, method: str, *arguments: Any) -> Any:
    track = scenes.track(scene)
    track.is_touched = True
    done = track.process.call(method, *arguments)
    if not scenes.is_playing:
        track.process.call("settle")
        scenes.draw()
    return done
