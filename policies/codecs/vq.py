"""Residual vector quantizer: a whole chunk as a few codes, the first the coarsest (VQ-BeT, arXiv 2403.03181).

An encoder maps the chunk to a vector z; the nearest entry of the first codebook is taken away from it, the
nearest of the second from what remains, and so on; a decoder makes a chunk of the sum of the entries. With 2
levels of 16 codes there are 256 chunks of which 32 vectors are stored.

`fit` trains all of it: L1 error of the chunk plus `VQ` times the distance between z's remainders and their
codes (5 in VQ-BeT), gradients passing straight through the choice of codes. Codebooks start on data, and in
the first half of the steps codes that no chunk uses move onto chunks.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ...common.errors import InputError
from ..codec import ActionCodec, CodecConfig

VQ = 5.0
"""Weight of the distance between vectors and their codes."""
COMMIT = 0.25
"""Share of this weight that moves the encoder rather than the codes (VQ-VAE, arXiv 1711.00937)."""
BATCH, RATE, REVIVE = 256, 1e-3, 50
"""Chunks per step of `fit`, its peak learning rate, and the number of steps between two checks for unused
codes."""


@dataclass(frozen=True)
class Config(CodecConfig):
    """Residual vector quantizer with `levels` codebooks of `codes` entries between a two-layer encoder and
    decoder."""

    levels: int = 2
    codes: int = 16
    latent: int = 32
    """Length of a codebook entry."""
    width: int = 128
    """Hidden units of the encoder and the decoder."""
    steps: int = 1500
    """Training steps of `fit`, which take a few seconds."""

    def build(self, chunk: int, action_dim: int) -> "Vq":
        """Builds the codec with random weights.

        Raises:
            ValueError: a size is not positive.
        """
        for name in ("levels", "codes", "latent", "width", "steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        return Vq(self, chunk, action_dim)


class Vq(ActionCodec):
    """Chunk <-> one code per level; ids of level i are i * codes .. (i + 1) * codes - 1."""

    def __init__(self, config: Config, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.levels, self.codes, self.steps = config.levels, config.codes, config.steps
        self.chunk, self.action_dim = chunk, action_dim
        self.vocab_size, self.length = config.levels * config.codes, config.levels
        network = Autoencoder(config, chunk * action_dim)
        # Its weights are buffers here: the policy's optimizer must not change what the tokens mean.
        self._network = (network,)
        for name, weight in network.state_dict().items():
            self.register_buffer(name.replace(".", "_"), weight.clone())

    def fit(self, actions: Float[Tensor, "n k a"], generator: torch.Generator) -> None:
        """Trains encoder, codebooks and decoder from scratch."""
        chunks = rearrange(actions.float(), "n k a -> n (k a)").to(generator.device)
        network = self._network[0].to(generator.device)
        network.reset(generator)
        with torch.enable_grad():
            self._train(network, chunks, generator)
        for name, weight in network.state_dict().items():
            self.get_buffer(name.replace(".", "_")).copy_(weight)

    def _train(self, network: "Autoencoder", chunks: Tensor, generator: torch.Generator) -> None:
        optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
        for step in range(self.steps):
            optimizer.param_groups[0]["lr"] = RATE * min(1.0, 2 * (1 - step / self.steps))
            rows = torch.randint(len(chunks), (BATCH,), generator=generator, device=generator.device)
            batch = chunks[rows]
            z = network.encoder(batch)
            if step % REVIVE == 0 and step <= self.steps // 2:
                network.revive(z.detach(), everything=step == 0, generator=generator)
            total, distance = torch.zeros_like(z), torch.zeros((), device=z.device)
            for book in network.books:
                rest = z - total
                code = book[_nearest(rest, book)]
                distance = (
                    distance + F.mse_loss(code, rest.detach()) + COMMIT * F.mse_loss(rest, code.detach())
                )
                total = total + code.detach()
            error = F.l1_loss(network.decoder(z + (total - z).detach()), batch)
            optimizer.zero_grad()
            (error + VQ * distance).backward()
            optimizer.step()

    @torch.no_grad()
    def encode(self, actions: Float[Tensor, "b k a"]) -> Int[Tensor, "b m"]:
        """Nearest code of each level for the remainder of the levels before it."""
        rest = self._run("encoder", rearrange(actions.float(), "b k a -> b (k a)"))
        ids = []
        for level, book in enumerate(self.get_buffer("books")):
            code = _nearest(rest, book)
            rest = rest - book[code]
            ids.append(code + level * self.codes)
        return torch.stack(ids, dim=1)

    @torch.no_grad()
    def decode(self, ids: Int[Tensor, "b m"]) -> tuple[Float[Tensor, "b k a"], Bool[Tensor, " b"]]:
        """Chunk of the codes; a row with an id of another level is not valid, and the id is read as one of
        its own level."""
        level = torch.arange(self.levels, device=ids.device)
        codes = self.get_buffer("books")[level, ids % self.codes].sum(dim=1)
        actions = rearrange(self._run("decoder", codes), "b (k a) -> b k a", a=self.action_dim)
        return actions, (ids // self.codes != level).any(dim=1)

    def allowed(self, ids: Int[Tensor, "b m"]) -> Bool[Tensor, "b m v"]:
        """Codes of the level at each place."""
        level = torch.arange(self.vocab_size, device=ids.device) // self.codes
        place = torch.arange(ids.shape[1], device=ids.device)
        return (level == place.unsqueeze(1)).expand(len(ids), -1, -1)

    def _run(self, part: str, x: Tensor) -> Tensor:
        network = self._network[0].get_submodule(part)
        weights = {name: self.get_buffer(f"{part}_{name}".replace(".", "_")) for name in network.state_dict()}
        # In bf16 another code could be the nearest.
        with torch.autocast(x.device.type, enabled=False):
            return torch.func.functional_call(network, weights, (x,))


class Autoencoder(nn.Module):
    """Encoder, codebooks and decoder during training."""

    def __init__(self, config: Config, size: int) -> None:
        super().__init__()
        self.encoder = _mlp(size, config.width, config.latent)
        self.decoder = _mlp(config.latent, config.width, size)
        self.books = nn.Parameter(torch.randn(config.levels, config.codes, config.latent))

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draws fresh weights, uniform within 1 / sqrt(inputs) as in nn.Linear; the codebooks wait for
        `revive`."""
        for layer in (*self.encoder, *self.decoder):
            if isinstance(layer, nn.Linear):
                for weight in (layer.weight, layer.bias):
                    weight.uniform_(-1, 1, generator=generator).mul_(layer.in_features**-0.5)

    @torch.no_grad()
    def revive(self, z: Float[Tensor, "n e"], everything: bool, generator: torch.Generator) -> None:
        """Moves unused codes onto what the levels before leave of random vectors of `z`."""
        rest = z
        for book in self.books:
            used = torch.bincount(_nearest(rest, book), minlength=len(book)) > 0
            unused = torch.ones_like(used) if everything else ~used
            rows = torch.randint(len(z), (len(book),), generator=generator, device=z.device)
            book[unused] = rest[rows][unused]
            rest = rest - book[_nearest(rest, book)]


def _mlp(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, outputs))


def _nearest(x: Float[Tensor, "n e"], book: Float[Tensor, "c e"]) -> Int[Tensor, " n"]:
    return (x.unsqueeze(1) - book).square().sum(dim=2).argmin(dim=1)
