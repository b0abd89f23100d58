"""Starts a training from a trained policy: its weights, its normalization, its vocabulary."""

from dataclasses import dataclass, replace
from pathlib import Path

from ..common.files import digest
from ..policies.config_io import to_dict
from ..policies.policy import Policy, PolicyConfig
from ..policies.policy_files import WEIGHTS
from ..policies.types import PolicySpec
from .config import differences
from .evaluation import eval_target


@dataclass(frozen=True)
class PolicySource:
    """The policy that a training goes on from."""

    name: str
    """What the user called it: the folder of a run or policy, or `packaged`."""
    folder: Path
    """Folder of the saved policy."""

    @staticmethod
    def find(name: str) -> "PolicySource":
        """The policy called `name`.

        Raises:
            ValueError: there is none to go on from.
        """
        try:
            folder = eval_target(name).policy
        except FileNotFoundError as error:
            raise ValueError(f"start_from: {error}") from error
        if folder is None:
            raise ValueError(f"start_from: '{name}' is no trained policy; give the folder of a run")
        return PolicySource(name, folder)

    def summary(self) -> dict[str, str]:
        """What a run keeps of where it started: the name and the SHA-256 of the weights."""
        return {"name": self.name, "sha256": digest(self.folder / WEIGHTS)}

    def load(self, config: PolicyConfig, spec: PolicySpec) -> Policy:
        """The policy, on the CPU, in training mode.

        Args:
            config: the policy that the training asks for. The source's must equal it, except that it may
                have room for longer instructions.
            spec: what the training data show and ask for; the source's must equal it.

        Raises:
            ValueError: the source does not fit; names what differs.
        """
        policy = Policy.load(self.folder)
        room = policy.config.trunk.language.instruction_tokens
        if room > config.trunk.language.instruction_tokens:
            language = replace(config.trunk.language, instruction_tokens=room)
            config = replace(config, trunk=replace(config.trunk, language=language))
        wrong = differences(to_dict(policy.config), to_dict(config))
        wrong += [
            f"{name} is {theirs!r} there and {vars(spec)[name]!r} here"
            for name, theirs in vars(policy.spec).items()
            if theirs != vars(spec)[name]
        ]
        if wrong:
            raise ValueError(
                f"start_from: the policy '{self.name}' does not fit this training: {'; '.join(wrong)}"
            )
        return policy.train()
