"""Starts a training from the trunk of a trained policy instead of from random weights."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from ..policies.config_io import to_dict
from ..policies.policy import Policy
from ..policies.policy_files import WEIGHTS
from ..policies.trunk import Trunk, TrunkConfig
from ..policies.types import PolicySpec
from .config import differences
from .evaluation import eval_target


@dataclass(frozen=True)
class TrunkSource:
    """The policy that a trunk comes from."""

    name: str
    """What the user called it: the folder of a run or policy, or `packaged`."""
    folder: Path
    """Folder of the saved policy."""

    @staticmethod
    def find(name: str) -> "TrunkSource":
        """The policy called `name`.

        Raises:
            ValueError: there is none, or it has no trunk.
        """
        try:
            folder = eval_target(name).policy
        except FileNotFoundError as error:
            raise ValueError(f"trunk_from: {error}") from error
        if folder is None:
            raise ValueError(f"trunk_from: '{name}' has no trunk; give the folder of a run, or 'packaged'")
        return TrunkSource(name, folder)

    @property
    def sha256(self) -> str:
        """Digest of the weights."""
        return hashlib.sha256((self.folder / WEIGHTS).read_bytes()).hexdigest()

    def load(self, config: TrunkConfig, spec: PolicySpec, instructions: list[str]) -> Trunk:
        """The trained trunk, on the CPU.

        Args:
            config: the trunk that the training asks for. The source's must equal it, except for the longest
                instruction, of which the source may allow a longer one.
            spec: of the policy to train.
            instructions: sentences of the dataset; the source's tokenizer must know all of their words.

        Raises:
            ValueError: the source does not fit; names what differs.
        """
        policy = Policy.load(self.folder)
        trunk, theirs = policy.trunk, policy.trunk.config
        wrong = []
        room = theirs.language.instruction_tokens
        if room >= config.language.instruction_tokens:
            config = replace(config, language=replace(config.language, instruction_tokens=room))
        wrong += differences(to_dict(theirs), to_dict(config))
        sizes = ("num_views", "observed_state_dim", "cameras")
        wrong += [
            f"{name}: {getattr(policy.spec, name)} there, {getattr(spec, name)} here"
            for name in sizes
            if getattr(policy.spec, name) != getattr(spec, name)
        ]
        unknown = {word for text in instructions for word in trunk.language.unknown_words(text)}
        if unknown:
            wrong.append(f"its vocabulary lacks {', '.join(sorted(unknown))}")
        if wrong:
            raise ValueError(f"the trunk of '{self.name}' does not fit this training: {'; '.join(wrong)}")
        return trunk
