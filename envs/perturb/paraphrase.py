"""Rephrased instructions."""

from ..language import Wording
from ..perturbation import Perturbation


class Paraphrase(Perturbation):
    """Wording by level. 1: training sentences; 2: with training synonyms; 3: held-out sentences; 4: with
    training synonyms; 5: with held-out synonyms."""

    affects = frozenset({"instruction"})

    def wording(self, level: int) -> Wording:
        """Sentences and synonyms for each level."""
        return (
            Wording("train", "plain"),
            Wording("train", "train"),
            Wording("held_out", "plain"),
            Wording("held_out", "train"),
            Wording("held_out", "held_out"),
        )[level - 1]
