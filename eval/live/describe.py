"""Descriptions of a session for a page, as JSON values, and the command that repeats an episode."""

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...envs import perturb, robots, tasks
from ...envs.language import Wording
from .messages import Opened
from .player import Player
from .track import EXPERT, PERSON, Track

if TYPE_CHECKING:
    from .scenes import Scenes

MOST_SENTENCES = 300
"""Completions that a page gets."""


def catalog(players: Iterable[Player]) -> dict[str, Any]:
    """Choices that do not depend on the scene."""
    return {
        "tasks": [{"name": name, "arms": tasks.task_class(name).num_arms} for name in tasks.names()],
        "robots": [{"name": name, "arms": len(robots.load(name))} for name in robots.names()],
        "perturbations": [
            {"name": name, "about": (perturb.load(name).__doc__ or "").split("\n")[0].rstrip(",;:")}
            for name in perturb.names()
        ],
        "who": [
            *(
                {
                    "name": player.name,
                    "parameters": player.parameters,
                    "chunk": player.spec.chunk,
                    "sampling": player.settings,
                }
                for player in players
            ),
            {"name": EXPERT},
            {"name": PERSON},
        ],
    }


def scene_state(task: str, opened: Opened) -> dict[str, Any]:
    """Sentences that a scene understands, and its objects."""
    sentences = tasks.load(task).instructions(Wording.of("train"))
    return {
        "here": opened.here,
        "grammar": sentences[:MOST_SENTENCES],
        "bodies": opened.bodies,
        "stages": list(opened.stages),
        "arms": tasks.task_class(task).num_arms,
    }


def status(scenes: "Scenes") -> dict[str, Any]:
    """The scenes and their settings as they are now."""
    execution = scenes.execution
    return {
        "task": scenes.task,
        "robot": scenes.robot,
        "seed": scenes.seed,
        "playing": scenes.is_playing,
        "sentence": scenes.sentence,
        "speed": scenes.speed,
        "quality": scenes.quality,
        "heat": scenes.shows_heat,
        "execution": {
            "execute": execution.execution_horizon,
            "delay": execution.inference_delay,
            "wait": execution.blocking,
            "guided": execution.rtc,
            "ensemble": execution.ensemble,
        },
        "sampling": scenes.sampling,
        "perturb": scenes.levels,
        "diverged": None if scenes.diverged is None else round(scenes.diverged, 3),
        "recording": scenes.recording.state(),
        "scenes": [_scene(track, execution.execution_horizon) for track in scenes.tracks],
    }


def _scene(track: Track, execute: int) -> dict[str, Any]:
    view, player = track.view, track.player
    state: dict[str, Any] = {
        "who": track.who,
        "instruction": view.observation.instruction,
        "seconds": round(view.seconds, 3),
        "stage": view.stage,
        "progress": round(view.progress, 4),
        "ended": view.ended,
        "judged": view.is_scored,
    }
    if player is not None:
        state["unknown"] = player.unknown_words(view.observation.instruction)
        if player.seconds:
            p50, p95 = (1e3 * np.percentile(player.seconds, (50, 95))).tolist()
            spec = track.opened.spec if track.opened else {}
            state["chunk_ms"] = [round(p50, 1), round(p95, 1)]
            state["control_hz"] = spec.get("control_hz")
            state["holds_hz"] = round(1e3 * min(execute, player.spec.chunk) / p95, 1)
    return state


def command_line(scenes: "Scenes") -> dict[str, Any]:
    """A command that plays the episode of the first scene without a page, and what it leaves out."""
    track = scenes.tracks[0]
    words = ["vla", "demo", (track.player.command if track.player else None) or EXPERT]
    if scenes.sentence is not None:
        words.append(scenes.sentence)
    words += ["--task", scenes.task, "--seed", str(scenes.seed)]
    if scenes.robot:
        words += ["--robot", scenes.robot]
    if scenes.perturb_text:
        words += ["--perturb", scenes.perturb_text]
    execution = scenes.execution
    if track.player is not None and track.player.command is not None:
        horizon = min(execution.execution_horizon, track.player.spec.chunk)
        words += ["--execution-horizon", str(horizon)]
        words += ["--inference-delay", str(execution.inference_delay)] if execution.inference_delay else []
        words += ["--blocking"] if execution.blocking else []
        words += ["--rtc"] if execution.rtc else []
        words += ["--ensemble", str(execution.ensemble)] if execution.ensemble is not None else []
        words += ["--sampling", scenes.sampling] if scenes.sampling else []
    left_out = ""
    if track.who == PERSON:
        left_out = "A person moves the robot, which no command can repeat: here the expert does."
    elif track.player is not None and track.player.command is None:
        left_out = "The policy runs behind a socket, where no command can ask it: here the expert does."
    elif track.is_touched:
        left_out = "What was changed or pushed in the middle of the episode is not repeated."
    return {"text": shlex.join(words), "left_out": left_out}
