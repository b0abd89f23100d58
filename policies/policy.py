"""Policy: trunk, action head and normalization in one module, from camera pixels to actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ..common.errors import InputError
from ..vision.images import resize_uint8
from ..vision.tensors import random_shift
from . import lora
from .head import ActionHead, ContinuingHead, HeadConfig, SamplingCounts
from .limits import MemoryBound
from .normalizer import Mode, Normalizer
from .policy_files import PolicyError, read_policy, write_policy
from .reach import check_reach
from .sampling import resampled
from .state_text import WRITTEN
from .trunk import Trunk, TrunkConfig
from .types import Batch, Grounding, Observation, PolicySpec


@dataclass(frozen=True)
class PolicyConfig:
    """Configuration of a policy, except for the sizes that come with the data."""

    head: HeadConfig
    """Action representation, the factor of a comparison."""
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    action_norm: Mode = "quantile"
    state_norm: Mode = "quantile"
    shift: int = 4
    """Largest random shift of each image in training, in each direction [pixels]; 0 for none."""

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise InputError(f"shift must not be negative, got {self.shift}")

    def check_reach(self, stats: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Rejects normalizations that map training data to values that a part of the policy clips.

        Args:
            stats: "state" and "action": statistics of the training data (see `Normalizer`).

        Raises:
            ValueError: names the settings that contradict each other.
        """
        part, reach = self.head.reach
        check_reach(part, reach, self.action_norm, stats["action"])
        if self.trunk.state == "text":
            check_reach("trunk.state 'text'", WRITTEN, self.state_norm, stats["state"])


class Policy(nn.Module):
    """A policy: it is trained, saved, and queried for actions."""

    def __init__(
        self,
        config: PolicyConfig,
        spec: PolicySpec,
        trunk: Trunk,
        stats: Mapping[str, Mapping[str, np.ndarray]],
    ) -> None:
        super().__init__()
        if config.trunk.encoders not in (1, len(spec.cameras)):
            raise InputError(
                f"trunk: encoders must be 1 or one for each of {len(spec.cameras)} cameras, "
                f"got {config.trunk.encoders}"
            )
        self.config, self.spec = config, spec
        self.trunk = trunk
        self.head: ActionHead = config.head.build(trunk, spec.chunk, spec.action_dim)
        self.state_normalizer = Normalizer(config.state_norm, stats["state"])
        self.action_normalizer = Normalizer(config.action_norm, stats["action"])

    @staticmethod
    def build(
        config: PolicyConfig,
        spec: PolicySpec,
        stats: Mapping[str, Mapping[str, np.ndarray]],
        instructions: list[str],
    ) -> "Policy":
        """Builds a policy with fresh weights.

        They come from torch's global generator, those of the trunk before those of the head: with the same
        seed, every head starts on the same trunk.

        Args:
            config: what to build.
            spec: cameras, sizes, action space and rate that the policy is for.
            stats: "state" and "action": statistics of the training data (see `Normalizer`).
            instructions: sentences of the training data, in any order.

        Raises:
            ValueError: a part cannot be built, or settings contradict each other.
        """
        config.check_reach(stats)
        trunk = config.trunk.build(spec.num_views, spec.observed_state_dim, instructions)
        # As long as its training sentences, even where it is loaded without knowing them.
        language = replace(config.trunk.language, instruction_tokens=trunk.language.room)
        return Policy(replace(config, trunk=replace(config.trunk, language=language)), spec, trunk, stats)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.trunk.view_embedding.device

    def loss(
        self, batch: Batch, generator: torch.Generator, num_valid: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch on the policy's device, with images of `trunk.image_size`, and detached scalars.

        The action loss is a mean over all valid actions of the batch: a row counts in proportion to its valid
        actions, times its weight if the batch has weights. In training mode, images are shifted, and labels
        in them move along.

        Args:
            batch: training windows.
            generator: source of all noise.
            num_valid: number of valid actions in the mean, a scalar; by default `batch.num_valid`. For one of
                n equal parts of a larger batch, pass 1 / n of the larger one's: the mean of the parts' losses
                is then that of the whole.
        """
        images, grounding = batch.observation.images, batch.grounding
        if self.training and self.config.shift:
            # A camera's whole history is shifted in the same way, so that nothing seems to move.
            together = rearrange(images, "b (t v) h w c -> b v h w (t c)", t=self.spec.history)
            together, offset = random_shift(together, generator, self.config.shift)
            images = rearrange(together, "b v h w (t c) -> b (t v) h w c", t=self.spec.history)
            if grounding is not None:
                grounding = Grounding(grounding.uv + offset, grounding.xyz)
        prefix = self.trunk.encode(self._trunk_input(images, batch.observation))
        actions = self.action_normalizer.normalize(batch.actions)
        rows, metrics = self.head.loss(prefix, actions, batch.mask, generator)
        valid = reduce(batch.mask.to(rows.dtype), "b k -> b", "sum")
        if batch.weight is not None:
            valid = valid * batch.weight
        loss = (rows * valid).sum() / (valid.sum() if num_valid is None else num_valid).clamp(min=1)
        metrics = {"action_loss": loss.detach(), **metrics}
        if grounding is not None:
            aux, aux_metrics = self.trunk.grounding_loss(prefix, grounding)
            loss = loss + aux.mean()
            metrics |= aux_metrics
        return loss, metrics

    @torch.inference_mode()
    def act(
        self,
        observation: Observation,
        generators: Sequence[torch.Generator],
        previous: Float[Tensor, "b k a"] | None = None,
        weights: Float[Tensor, "b k"] | None = None,
        *,
        instruction_tokens: int = 0,
        counts: SamplingCounts | None = None,
    ) -> Float[Tensor, "b k a"]:
        """Samples a chunk of actions per row, in environment units. The policy is not modified, so any number
        of threads may share it.

        Args:
            observation: as returned by the environment, with square images of any size.
            generators: row i draws its noise from `generators[i]` alone.
            previous: remainder of the last chunk, with the action due now at index 0, in environment units;
                the new chunk continues it.
            weights: weight of each of its actions; 0 where there is none.
            instruction_tokens: length to pad instructions to, if that is more than the policy's own; see
                `LanguageBackbone.embed`.
            counts: increased by the chunks sampled and their cost.

        Raises:
            ValueError: `previous` is given, but the head cannot continue a chunk.
        """
        observation = observation.to(self.device)
        images = self._resized(observation.images)
        # Rounding to bf16 costs more time than it saves at these batch sizes.
        with torch.autocast(self.device.type, enabled=False):
            prefix = self.trunk.encode(self._trunk_input(images, observation), instruction_tokens)
            if previous is None or weights is None:
                chunk, cost = self.head.sample_counted(prefix, generators)
            else:
                held = self.action_normalizer.normalize(previous.to(self.device))
                chunk = self.check_guided().sample_onto(prefix, generators, held, weights.to(self.device))
                cost = SamplingCounts(len(chunk), len(chunk) * self.head.num_function_evaluations)
            if counts is not None:
                counts.add(cost)
            return self.action_normalizer.unnormalize(chunk)

    @torch.inference_mode()
    def heat(self, observation: Observation) -> list[Float[Tensor, "y x"]]:
        """Heat maps of the named object: for each camera of one row, shares of its newest image that add up
        to 1. Empty for a policy that was trained without a heat map (see grounding.py)."""
        if self.trunk.grounding.heat is None:
            return []
        observation = observation.to(self.device)
        prefix = self.trunk.encode(self._trunk_input(self._resized(observation.images), observation))
        maps = self.trunk.heat(prefix)[0, -len(self.spec.cameras) :]
        return [x.flatten().softmax(dim=0).view(x.shape).cpu() for x in maps]

    def check_guided(self) -> ContinuingHead:
        """Returns the head if it can continue a chunk.

        Raises:
            ValueError: it cannot.
        """
        if not isinstance(self.head, ContinuingHead):
            name = type(self.head).__name__
            raise InputError(f"the head {name} cannot continue a chunk: guided execution needs flow")
        return self.head

    def save(self, folder: Path, tensors: Mapping[str, Tensor] | None = None) -> None:
        """Writes everything to `folder`; an existing one is replaced at the very end.

        Args:
            folder: destination of the policy.
            tensors: tensors saved in place of its own ones of the same names, such as averages of its
                weights.

        Raises:
            PolicyError: it cannot be written; what was there before stays.
        """
        write_policy(
            folder,
            self.config,
            self.spec,
            self.trunk.architecture,
            self.trunk.language.tokenizer,
            {**self.state_dict(), **(tensors or {})},
        )

    @staticmethod
    def load(folder: Path, device: torch.device | str = "cpu", sampling: str = "") -> "Policy":
        """Loads the policy saved in `folder`, ready to act. Needs neither a network connection nor a
        backbone's checkpoint.

        Args:
            folder: folder of a saved policy.
            device: device to load it to.
            sampling: settings of the head's sampling that replace the saved ones, e.g. "steps=5".

        Raises:
            ValueError: the head has no such setting.
            PolicyError: something is missing, damaged, or inconsistent.
        """
        saved = read_policy(folder, PolicyConfig)
        config = replace(saved.config, head=resampled(saved.config.head, sampling))
        try:
            # The weights drawn here are overwritten later.
            with torch.random.fork_rng(devices=[]), MemoryBound(saved.numbers):
                trunk = saved.config.trunk.build(
                    saved.spec.num_views,
                    saved.spec.observed_state_dim,
                    [],
                    saved.tokenizer,
                    saved.architecture,
                )
                policy = Policy(config, saved.spec, trunk, saved.blank_stats())
        except Exception as error:  # transformers checks few of the numbers that it builds from
            raise PolicyError(
                f"{folder / 'config.json'} describes a policy that cannot be built: {error}"
            ) from error
        saved.load_weights(policy)
        return policy.to(device).eval()

    def merge_lora(self) -> None:
        """Folds LoRA adapters into the weights that they adapt, for faster inference or before saving."""
        lora.merge(self.trunk)
        self.config = replace(self.config, trunk=replace(self.config.trunk, lora=None))

    def check_env(self, spec_dict: Mapping[str, Any]) -> None:
        """Compares what the policy was built for with an environment's `spec_dict()`.

        Raises:
            PolicyError: they differ; names every difference, both values, and what to do.
        """
        if wrong := self.spec.misfits(spec_dict):
            raise PolicyError(
                f"the policy does not fit this environment ({'; '.join(wrong)}); make the environment as the "
                "policy needs it, or train on demonstrations from this one"
            )

    def _trunk_input(self, images: UInt8[Tensor, "b v h w c"], observation: Observation) -> Observation:
        states = rearrange(observation.state, "b (t s) -> b t s", t=self.spec.history)
        state = rearrange(self.state_normalizer.normalize(states), "b t s -> b (t s)")
        return Observation(images, state, observation.instruction)

    def _resized(self, images: UInt8[Tensor, "b v h w c"]) -> UInt8[Tensor, "b v size size c"]:
        size = self.trunk.image_size
        if images.shape[2:4] == (size, size):
            return images
        return torch.from_numpy(resize_uint8(images.cpu().numpy(), size)).to(images.device)
