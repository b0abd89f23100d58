"""One filmed episode in which a policy, or the expert, is told a sentence."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...common.errors import InputError
from ...envs import tasks
from ...envs.config import EnvConfig
from ...envs.language import PLAIN
from ...envs.manipulation_env import ManipulationEnv
from ...envs.seeds import DEMONSTRATIONS, VALIDATION
from ...eval.result import EXPERT, EpisodeResult
from ...eval.video.clips import SPEED
from ...eval.video.encode import check_video_path, write_video
from ...eval.video.overlay import side_by_side
from ...eval.video.replay import replay
from ...policies.execution import Execution
from ..evaluation import EvalTarget, learned_tasks

SIZE = 480
"""Height and width of the picture of the scene [px]."""
NEAR = 200
"""Seeds among which a scene is looked for that has what is asked for."""
EXAMPLES = 6
"""Sentences that are shown of those that the scene understands."""


@dataclass(frozen=True)
class Scene:
    """Scene of one seed, and the meaning of a sentence in it."""

    instruction: str
    """Instruction as said."""
    is_scored: bool
    """Whether the instruction asks for something that the scene has, so that success can be decided."""
    named: dict[str, list[str]]
    """Slot of the task's sentences -> words that fit the scene, such as "object" -> "red cube", ..."""
    examples: list[str]
    """One plain sentence for everything that the scene can be asked."""
    elsewhere: int | None
    """Seed of the next scene that has what the sentence asks for, if this one does not; None if none is
    near."""

    @staticmethod
    def of(env: ManipulationEnv, seed: int, sentence: str | None) -> "Scene":
        """The scene of `seed`; without a sentence its own instruction is said."""
        env.reset(seed=seed, options=None if sentence is None else {"sentence": sentence})
        task, asked = env.definition, [question.asked for question in env.questions()]
        named: dict[str, list[str]] = {}
        for slot, words in (pair for meaning in asked for pair in meaning.slots):
            if words not in named.setdefault(slot, []):
                named[slot].append(words)
        rng = np.random.default_rng(0)  # one plain sentence is all that there is to draw
        examples = list(dict.fromkeys(task.say(meaning, PLAIN, rng) for meaning in asked))
        said, is_scored = env.task_description, env.is_scored
        return Scene(said, is_scored, named, examples, None if is_scored else _elsewhere(env, seed, said))

    def description(self) -> str:
        """Description of the scene in words, slot by slot."""
        return "; ".join(f"{slot}: {', '.join(words)}" for slot, words in self.named.items())

    def objection(self) -> str:
        """Reason why success cannot be judged; empty if it can."""
        if self.is_scored:
            return ""
        known = ", ".join(f'"{sentence}"' for sentence in self.examples[:EXAMPLES])
        more = f", and {len(self.examples) - EXAMPLES} more" if len(self.examples) > EXAMPLES else ""
        why = "is none that the task knows"
        if self.elsewhere is not None:
            why = f"asks for what is not in this scene (it is in that of --seed {self.elsewhere})"
        return f"The sentence {why}, so success cannot be judged. Here it can be for: {known}{more}."


def _elsewhere(env: ManipulationEnv, seed: int, sentence: str) -> int | None:
    """The next seed after `seed` whose scene has what the sentence asks for."""
    task = env.definition
    if not any(task.forms[meaning.form].asks(meaning, sentence) for meaning in task.meanings()):
        return None
    for other in range(seed + 1, seed + 1 + NEAR):
        env.reset(seed=other)
        if task.understand(env.world, env.scenario, sentence) is not None:
            return other
    return None


def default_task(who: EvalTarget) -> str:
    """The task to show a policy on: the one that it learned, of several `pick` or the first."""
    learned = learned_tasks(who)
    return learned[0] if learned and "pick" not in learned else "pick"


def demo(
    who: EvalTarget,
    env: EnvConfig,
    sentence: str | None,
    seed: int,
    out: Path,
    execution: Execution | None = None,
    sampling: str = "",
) -> EpisodeResult:
    """Plays the episode of `seed`, writes its video to `out`, says how it went, and returns it.

    Args:
        who: who acts.
        env: settings of the scene; a policy brings its own cameras and commands.
        sentence: what is said, word for word; the episode's own instruction if None.
        seed: of the scene.
        out: .mp4, .webp or .gif.
        execution: how a policy's chunks are executed; no more of each than it has.
        sampling: settings of a policy's sampling in place of its own, e.g. "steps=5".

    Raises:
        ValueError: an unknown task, a video that cannot be written, a policy made for another environment, or
            a sentence that the expert cannot know how to obey.
    """
    check_video_path(out)
    if who.served is not None:
        raise InputError(f"{who.name} is served elsewhere: `vla live {who.served.address}` shows it")
    tasks.check(env.task)
    policy = None
    if who.policy is not None:
        from ...eval.rollout.evaluate import check_simulated  # imports torch
        from ...policies.policy import Policy

        policy = Policy.load(who.policy, sampling=sampling)
        check_simulated(policy, who.name)
        env = replace(env, robot=env.robot or policy.spec.robot, control_hz=policy.spec.control_hz)
    shown = replace(env, cameras=()).build()
    try:
        scene = Scene.of(shown, seed, sentence)
    finally:
        shown.close()
    print(f"Scene: {env.task}, seed {seed}. {scene.description()}", flush=True)
    if policy is not None and seed in DEMONSTRATIONS:
        print(f"Seeds below {VALIDATION.start} are for demonstrations: the policy may know this scene.")
    print(f'Told to {who.name}: "{scene.instruction}"', flush=True)
    if policy is not None and (unknown := policy.trunk.language.unknown_words(scene.instruction)):
        words = ", ".join(dict.fromkeys(unknown))
        print(f"Not a word of any training sentence: {words}. To the policy all such words are one.")
    if objection := scene.objection():
        if policy is None:
            raise InputError(f"the expert can only do what the task knows. {objection}")
        print(objection, flush=True)

    from ...eval.rollout.evaluate import evaluate  # imports torch

    execution = execution or Execution()
    if policy is not None and execution.execution_horizon > policy.spec.chunk:
        execution = replace(execution, execution_horizon=policy.spec.chunk)
    result = evaluate(
        policy or EXPERT,
        env,
        [seed],
        execution=None if policy is None else execution,
        name=who.name,
        sentence=sentence,
        progress=False,
    )
    (episode,) = result.episodes
    footage = replay(result, episode, size=SIZE, sentence=sentence)
    outcome = episode.outcome if scene.is_scored or episode.outcome == "error" else "not judged"
    frames = side_by_side([replace(footage, outcome=outcome)], speed=SPEED)
    write_video(frames, out, SPEED * footage.fps)
    print(f"Outcome: {outcome} after {episode.steps} steps ({episode.steps / footage.fps:.1f} s)")
    if episode.error:
        print(f"The episode ended with an error: {episode.error}")
    print(f"Video: {out.resolve()}")
    return episode
