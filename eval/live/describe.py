"""What a page is told about a session: JSON-able dictionaries, and the command that repeats an episode."""

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
    from .session import Session

MOST_SENTENCES = 300
"""Completions that a page gets."""


def catalog(players: Iterable[Player]) -> dict[str, Any]:
    """What there is to choose from, whatever the scene."""
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
                    "chunk": player.policy.spec.chunk,
                    "sampling": player.settings,
                }
                for player in players
            ),
            {"name": EXPERT},
            {"name": PERSON},
        ],
    }


def scene_state(task: str, opened: Opened) -> dict[str, Any]:
    """What can be asked and touched in a scene."""
    sentences = tasks.load(task).instructions(Wording.of("train"))
    return {
        "here": opened.here,
        "grammar": sentences[:MOST_SENTENCES],
        "bodies": opened.bodies,
        "stages": list(opened.stages),
        "arms": tasks.task_class(task).num_arms,
    }


def status(session: "Session") -> dict[str, Any]:
    """The session and its scenes as they are now."""
    execution = session.execution
    return {
        "task": session.task,
        "robot": session.robot,
        "seed": session.seed,
        "playing": session.is_playing,
        "speed": session.speed,
        "quality": session.quality,
        "heat": session.shows_heat,
        "execution": {
            "execute": execution.execute,
            "delay": execution.delay,
            "wait": execution.wait,
            "guided": execution.guided,
            "ensemble": execution.ensemble,
        },
        "sampling": session.sampling,
        "perturb": session.levels,
        "diverged": None if session.diverged is None else round(session.diverged, 3),
        "scenes": [_scene(track, execution.execute) for track in session.tracks],
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
        "judged": view.is_judged,
    }
    if player is not None:
        state["unknown"] = player.unknown_words(view.observation.instruction)
        if player.seconds:
            p50, p95 = (1e3 * np.percentile(player.seconds, (50, 95))).tolist()
            spec = track.opened.spec if track.opened else {}
            state["chunk_ms"] = [round(p50, 1), round(p95, 1)]
            state["control_hz"] = spec.get("control_hz")
            state["holds_hz"] = round(1e3 * min(execute, player.policy.spec.chunk) / p95, 1)
    return state


def command_line(session: "Session") -> dict[str, Any]:
    """A command that plays the episode of the first scene without a page, and what it leaves out."""
    track = session.tracks[0]
    words = ["vla", "demo", str(track.player.folder) if track.player else EXPERT]
    if session.sentence is not None:
        words.append(session.sentence)
    words += ["--task", session.task, "--seed", str(session.seed)]
    if session.robot:
        words += ["--robot", session.robot]
    if session.perturb_text:
        words += ["--perturb", session.perturb_text]
    execution = session.execution
    if track.player is not None:
        words += ["--execute", str(min(execution.execute, track.player.policy.spec.chunk))]
        words += ["--delay", str(execution.delay)] if execution.delay else []
        words += ["--wait"] if execution.wait else []
        words += ["--guided"] if execution.guided else []
        words += ["--ensemble", str(execution.ensemble)] if execution.ensemble is not None else []
        words += ["--sampling", session.sampling] if session.sampling else []
    left_out = ""
    if track.who == PERSON:
        left_out = "A person moves the robot, which no command can repeat: here the expert does."
    elif track.is_touched:
        left_out = "What was changed or pushed in the middle of the episode is not repeated."
    return {"text": shlex.join(words), "left_out": left_out}
