"""Inputs and outputs of a policy, and the axis names used throughout the package.

b  batch                 n  tokens of a prefix      k  chunk length (actions predicted at once)
v  views (cameras)       d  width of the trunk      a  action dimensions
h w c  pixels, channels  l  instruction tokens      s  proprioceptive state dimensions
t  time steps of an episode
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

UNKNOWN_SPACE = "unknown"
"""Action space of a policy trained on another program's data, which does not specify it."""


@dataclass(frozen=True)
class PolicySpec:
    """Purpose of a policy, stored with every checkpoint and checked against the environment."""

    cameras: tuple[str, ...]
    """View names, in the order of axis `v`."""
    state_dim: int
    """Length of the proprioceptive state."""
    action_dim: int
    """Length of one action."""
    chunk: int
    """Actions predicted at once (k)."""
    action_space: str
    """Name of the action space in `vlasandbox.envs.control`, e.g. "ee_delta"; or UNKNOWN_SPACE."""
    control_hz: float
    """Rate at which actions are executed [Hz]."""
    image_size: int
    """Side length of the square camera images before the policy resizes them to its own size [pixels]."""
    robot: str | None = None
    """Name in `vlasandbox.envs.robots` of the robot it moves; None for each task's default robot."""
    history: int = 1
    """Number of control steps whose images and states the policy sees: the current one and those before."""
    state_names: tuple[str, ...] | None = None
    """Names of the state's dimensions; None if the training data did not specify them."""
    action_names: tuple[str, ...] | None = None
    """Names of an action's dimensions; None if the training data did not specify them."""

    @property
    def environment(self) -> dict[str, Any]:
        """Keywords of the environment that the policy was made for (see `envs.make`)."""
        names = ("robot", "action_space", "control_hz", "cameras", "image_size")
        return {name: getattr(self, name) for name in names}

    def misfits(self, spec_dict: Mapping[str, Any]) -> list[str]:
        """Differences between an environment's `spec_dict()` and the policy's own: a phrase for each, with
        both values."""
        mine = {
            "action space": self.action_space,
            "action dimensions": self.action_dim,
            "state dimensions": self.state_dim,
            "cameras": list(self.cameras),
            "control rate [Hz]": float(self.control_hz),
            "image size [pixels]": self.image_size,
        }
        theirs = {
            "action space": spec_dict["action_space"]["name"],
            "action dimensions": len(spec_dict["action_space"]["dims"]),
            "state dimensions": len(spec_dict["state_names"]),
            "cameras": list(spec_dict["cameras"]),
            "control rate [Hz]": float(spec_dict["control_hz"]),
            "image size [pixels]": spec_dict["image_size"],
        }
        return [f"{k}: policy {mine[k]!r}, environment {theirs[k]!r}" for k in mine if mine[k] != theirs[k]]

    @property
    def num_views(self) -> int:
        """Images per observation, including past ones: axis `v` of `Observation.images`."""
        return self.history * len(self.cameras)

    @property
    def observed_state_dim(self) -> int:
        """Length of the state per observation, including past ones: axis `s` of `Observation.state`."""
        return self.history * self.state_dim


@dataclass
class Observation:
    """One observation per batch row, as returned by the environment (no scaling, no tokens yet).

    A policy with a history of t control steps sees the views and states of all of them, oldest first: its
    axis `v` is (t v) and its axis `s` is (t s). Before an episode's first step, that step is repeated.
    """

    images: UInt8[Tensor, "b v h w c"]
    """Upright RGB, 0..255."""
    state: Float[Tensor, "b s"]
    """Proprioception in environment units."""
    instruction: list[str]
    """One sentence per row."""

    def to(self, device: torch.device | str) -> "Observation":
        """Copies the observation to `device`."""
        return Observation(self.images.to(device), self.state.to(device), self.instruction)


@dataclass
class Grounding:
    """Privileged labels from the simulator: position of the named object. Used in auxiliary losses only."""

    uv: Float[Tensor, "b v 2"]
    """Image coordinates of its center in [0, 1], (0, 0) top left; outside that range if not in view."""
    xyz: Float[Tensor, "b 3"]
    """Position of the object in the world frame [m]."""

    def to(self, device: torch.device | str) -> "Grounding":
        """Copies the labels to `device`."""
        return Grounding(self.uv.to(device), self.xyz.to(device))


@dataclass
class Batch:
    """Training windows: the observation at step t and the expert's actions t .. t+k-1."""

    observation: Observation
    actions: Float[Tensor, "b k a"]
    """Actions in environment units."""
    mask: Bool[Tensor, "b k"]
    """False where the action is padding or not a consequence of what was seen (see train/data/windows.py)."""
    grounding: Grounding | None = None
    weight: Float[Tensor, " b"] | None = None
    """Nonnegative weight of each row's actions in the loss; None weights all rows alike. Grounding labels
    from the simulator (`grounding`) are true whatever was done there and always count alike."""

    @property
    def num_valid(self) -> Tensor:
        """Number of valid actions, a scalar; actions of a row with a weight count by that weight."""
        if self.weight is None:
            return self.mask.sum()
        return (self.mask.sum(dim=1) * self.weight).sum()

    def to(self, device: torch.device | str) -> "Batch":
        """Copies the batch to `device`."""
        return Batch(
            self.observation.to(device),
            self.actions.to(device),
            self.mask.to(device),
            None if self.grounding is None else self.grounding.to(device),
            None if self.weight is None else self.weight.to(device),
        )


@runtime_checkable
class Extender(Protocol):
    """The trunk as seen by a prefix: it computes further tokens and lends words of its vocabulary."""

    def extend(
        self, prefix: "Prefix", tokens: Float[Tensor, "b m d"], attend: Literal["causal", "full"]
    ) -> tuple[Float[Tensor, "b m d"], "Prefix"]:
        """Runs further tokens after a prefix; see `Prefix.extend`."""
        ...

    def last_words(self, count: int) -> tuple[Float[Tensor, "v d"], Float[Tensor, "v d"]]:
        """Embeddings and readout weights of the last v = `count` words of the language model."""
        ...


@dataclass
class Prefix:
    """Information about an observation that a head may use: the trunk's pass over [images | instruction |
    proprio].

    Padding positions have mask False and do not advance `positions`. A head holds no reference to the trunk:
    it extends the prefix it is given.
    """

    hidden: Float[Tensor, "b n d"]
    """Last hidden states of the trunk, after its final norm."""
    mask: Bool[Tensor, "b n"]
    """True where a token is real."""
    positions: Tensor
    """Rotary position of each token, int64 [b, n]: cumsum(mask) - 1."""
    keys: list[Float[Tensor, "b g n e"]]
    """Rotated keys of each layer: g key/value heads of e dimensions."""
    values: list[Float[Tensor, "b g n e"]]
    """Values of each layer."""
    image_tokens: Float[Tensor, "b v p i"] | None = None
    """The image encoder's own tokens, p per view, before the language model."""
    trunk: Extender | None = field(default=None, repr=False, compare=False)
    """Trunk that computed this prefix; None if it cannot be extended."""

    def extend(
        self, tokens: Float[Tensor, "b m d"], attend: Literal["causal", "full"]
    ) -> tuple[Float[Tensor, "b m d"], "Prefix"]:
        """Runs `tokens` through the trunk after this prefix, which stays unchanged.

        Args:
            tokens: embeddings at the scale of the trunk's word embeddings.
            attend: each token sees the prefix and either those of `tokens` up to itself ("causal") or all
                ("full").

        Returns:
            Last hidden states of the tokens, and the prefix that ends with them.
        """
        return self.source.extend(self, tokens, attend)

    @property
    def source(self) -> Extender:
        """Trunk of this prefix, which must be known."""
        assert self.trunk is not None, "this prefix has no trunk: it cannot be extended"
        return self.trunk

    def repeat(self, times: int) -> "Prefix":
        """Repeats each row `times` times in succession: several noise draws share one pass of the trunk."""

        def rows(x: Tensor) -> Tensor:
            return x.repeat_interleave(times, dim=0)

        return Prefix(
            rows(self.hidden),
            rows(self.mask),
            rows(self.positions),
            [rows(x) for x in self.keys],
            [rows(x) for x in self.values],
            None if self.image_tokens is None else rows(self.image_tokens),
            self.trunk,
        )

    @property
    def next_position(self) -> Tensor:
        """Position of the first token that extends the prefix, int64 [b]."""
        return self.mask.sum(dim=1)
