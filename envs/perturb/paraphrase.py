"""The instruction is put in other words."""

from ..language import Wording
from ..perturbation import Perturbation


class Paraphrase(Perturbation):
    """1: sentences for training; 2: its synonyms too; 3: held-out sentences; 4: with synonyms for training;
    5: with held-out synonyms."""

    affects = frozenset({"instruction"})

    def wording(self, level: int) -> Wording:
        """Sentences and words, by level."""
        return (
            Wording("train", "plain"),
            Wording("train", "train"),
            Wording("held_out", "plain"),
            Wording("held_out", "train"),
            Wording("held_out", "held_out"),
        )[level - 1]
