"""Starts a training from a trained policy: all of it, or its trunk alone with a new head."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..common.errors import InputError
from ..common.files import digest
from ..policies.config_io import to_dict
from ..policies.policy import Policy, PolicyConfig
from ..policies.policy_files import WEIGHTS
from ..policies.trunk import Trunk, TrunkConfig
from ..policies.types import PolicySpec
from .config import differences
from .evaluation import eval_target

Setting = Literal["start_from", "trunk_from"]
"""Setting of a training that names a policy, for messages."""


@dataclass(frozen=True)
class PolicySource:
    """The trained policy that a training starts from."""

    name: str
    """Name that the user gave: the folder of a run or policy, or `packaged`."""
    folder: Path
    """Folder of the saved policy."""
    setting: Setting

    @staticmethod
    def find(name: str, setting: Setting = "start_from") -> "PolicySource":
        """The policy called `name`.

        Raises:
            ValueError: there is none.
        """
        try:
            folder = eval_target(name).policy
        except FileNotFoundError as error:
            raise InputError(f"{setting}: {error}") from error
        if folder is None:
            raise InputError(f"{setting}: '{name}' is no trained policy; give the folder of a run")
        return PolicySource(name, folder, setting)

    def summary(self) -> dict[str, str]:
        """Origin that a run's summary records: the name and the SHA-256 of the weights."""
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
        config = replace(config, trunk=_with_room(config.trunk, policy.config.trunk))
        wrong = differences(to_dict(policy.config), to_dict(config))
        self._check([*wrong, *_other_spec(policy.spec, spec, tuple(vars(spec)))])
        return policy.train()

    def load_trunk(self, config: TrunkConfig, spec: PolicySpec, instructions: list[str]) -> Trunk:
        """The policy's trunk, on the CPU.

        Args:
            config: the trunk that the training asks for. The source's must equal it, except that it may have
                room for longer instructions.
            spec: what the training data show and ask for.
            instructions: sentences of the dataset; the source's tokenizer must know all of their words.

        Raises:
            ValueError: the source does not fit; names what differs.
        """
        policy = Policy.load(self.folder)
        trunk = policy.trunk
        wrong = differences(to_dict(trunk.config), to_dict(_with_room(config, trunk.config)))
        wrong += _other_spec(policy.spec, spec, ("num_views", "observed_state_dim", "cameras"))
        unknown = {word for text in instructions for word in trunk.language.unknown_words(text)}
        if unknown:
            wrong.append(f"its vocabulary lacks {', '.join(sorted(unknown))}")
        self._check(wrong)
        return trunk

    def _check(self, wrong: list[str]) -> None:
        if wrong:
            raise InputError(
                f"{self.setting}: the policy '{self.name}' does not fit this training: {'; '.join(wrong)}"
            )


def _with_room(config: TrunkConfig, source: TrunkConfig) -> TrunkConfig:
    """`config` with the source's length of the longest instruction, if that is greater."""
    room = max(config.language.instruction_tokens, source.language.instruction_tokens)
    return replace(config, language=replace(config.language, instruction_tokens=room))


def _other_spec(source: PolicySpec, spec: PolicySpec, names: tuple[str, ...]) -> list[str]:
    return [
        f"{name} is {getattr(source, name)!r} there and {getattr(spec, name)!r} here"
        for name in names
        if getattr(source, name) != getattr(spec, name)
    ]
