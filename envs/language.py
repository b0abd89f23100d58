"""Instruction grammar: what is asked, and its phrasings, some of which are held out from training.

A task asks for a `Meaning`; each of its `Form`s lists templates that express one kind of meaning. There are
three wordings: "plain" uses the first template and the words themselves; "train" draws from the templates and
synonyms for training, including the plain ones; "held_out" draws from templates and, where there are any,
synonyms that no training episode uses. In addition, some combinations of attributes are held out, whatever
the words.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..common.registry import check_name

WORDINGS = ("plain", "train", "held_out")
COMBINATIONS = ("all", "train", "held_out")

SYNONYMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "cube": (("block",), ("die",)),
    "carton": (("box",), ("package",)),
    "brick": (("bar",), ("plank",)),
    "red": (("scarlet",), ("crimson",)),
    "green": (("emerald",), ("lime",)),
    "blue": (("navy",), ("azure",)),
    "yellow": (("golden",), ("lemon",)),
}
"""Word in a slot -> synonyms for training and held-out synonyms."""

HELD_OUT = frozenset({"yellow cube", "red carton", "green brick"})
"""Objects that combinations="train" never asks for, though it asks for each of their colors and shapes."""

HELD_OUT_PAIRS = frozenset(
    {
        ("red slab", "green square"),
        ("blue slab", "yellow square"),
        ("green object", "blue tray"),
        ("yellow object", "red tray"),
        ("cube", "yellow tray"),
        ("carton", "green tray"),
        ("third", "left"),
        ("red button", "blue button"),
        ("yellow button", "green button"),
        ("red knob", "left"),
        ("blue knob", "right"),
        ("red curve", "left"),
        ("blue curve", "right"),
        ("open", "yellow drawer"),
        ("close", "green drawer"),
    }
)
"""Pairs of a `Meaning`'s first two slots, or of its form and first slot, that it never asks for either."""


@dataclass(frozen=True)
class Meaning:
    """Meaning of an instruction, independent of the wording."""

    form: str
    """Key into the task's forms."""
    slots: tuple[tuple[str, str], ...]
    """(slot, words) pairs that fill the templates."""

    @staticmethod
    def of(form: str, **slots: str) -> "Meaning":
        """Builds a meaning, e.g. `Meaning.of("name", object="red cube")`."""
        return Meaning(form, tuple(slots.items()))

    @property
    def is_held_out(self) -> bool:
        """True if it names a combination of attributes that is held out from training."""
        words = tuple(words for _, words in self.slots)
        pairs = {words[:2], (self.form, words[0])}
        return not HELD_OUT_PAIRS.isdisjoint(pairs) or not HELD_OUT.isdisjoint(words)


@dataclass(frozen=True)
class Wording:
    """Sources of sentences and words, each one of WORDINGS."""

    sentences: str
    words: str

    @staticmethod
    def of(name: str) -> "Wording":
        """Builds a wording with the same source for both.

        Raises:
            ValueError: there is no such wording.
        """
        check_name("wording", name, WORDINGS)
        return Wording(name, name)


PLAIN = Wording("plain", "plain")


@dataclass(frozen=True)
class Form:
    """Templates with {slot}s that all have the same meaning."""

    plain: str
    train: tuple[str, ...]
    """Additional templates for training."""
    held_out: tuple[str, ...]

    def templates(self, wording: str) -> tuple[str, ...]:
        """Templates that `wording`, one of WORDINGS, draws from."""
        return {"plain": (self.plain,), "train": (self.plain, *self.train), "held_out": self.held_out}[
            wording
        ]

    def say(self, meaning: Meaning, wording: Wording, rng: np.random.Generator) -> str:
        """One sentence, drawn from `rng`."""
        template = _draw(self.templates(wording.sentences), rng)
        slots = {
            slot: " ".join(_draw(_synonyms(word, wording.words), rng) for word in words.split())
            for slot, words in meaning.slots
        }
        return template.format(**slots)

    def sentences(self, meaning: Meaning, wording: Wording) -> Iterator[str]:
        """Yields every sentence that `say` can return."""
        names = [slot for slot, _ in meaning.slots]
        choices = []
        for _, words in meaning.slots:
            ways = itertools.product(*(_synonyms(word, wording.words) for word in words.split()))
            choices.append([" ".join(way) for way in ways])
        for template in self.templates(wording.sentences):
            for chosen in itertools.product(*choices):
                yield template.format(**dict(zip(names, chosen, strict=True)))

    def asks(self, meaning: Meaning, sentence: str) -> bool:
        """True if a person's sentence is one of the templates for `meaning`, with any synonyms.

        Capitalization, spaces and a final punctuation mark are ignored.
        """
        text = " ".join(sentence.lower().split()).rstrip(" .!")
        slots = {
            slot: re.escape(" ").join(f"(?:{'|'.join(_every_synonym(word))})" for word in words.split())
            for slot, words in meaning.slots
        }
        patterns = (re.escape(template) for template in (self.plain, *self.train, *self.held_out))
        return any(
            re.fullmatch(re.sub(r"\\{(\w+)\\}", lambda slot: slots[slot[1]], pattern), text)
            for pattern in patterns
        )


def _every_synonym(word: str) -> list[str]:
    train, held_out = SYNONYMS.get(word, ((), ()))
    return [re.escape(each) for each in (word, *train, *held_out)]


def _synonyms(word: str, wording: str) -> tuple[str, ...]:
    train, held_out = SYNONYMS.get(word, ((), ()))
    return {"plain": (word,), "train": (word, *train), "held_out": held_out or (word,)}[wording]


def _draw(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]
