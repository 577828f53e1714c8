"""Everything that a training goes on from: numbers as safetensors, the rest as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from devices.errors import PolicyError
from policies.safe_folder import read_folder, write_folder

SCHEMA = 1
FACTS_FILE = "state.json"
TENSORS_FILE = "tensors.safetensors"
_LARGEST = 32 << 30


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of a state that is not tensors.

    Attributes:
        schema: Of the layout.
        policy: Name of the policy.
        data: Digest of the data that it was trained on.
        uids: The episodes: what is recorded later does not come into this training.
        step: Updates done in all stages.
        stage: Number of the stage it is in.
        best: Lowest hold-out loss of the last stage; None where nothing was judged.
        elapsed_s: Time spent training [s].
        normaliser: As JSON; fitted once, at the very beginning.
        sha256: Of the tensors.
    """

    schema: int = SCHEMA
    policy: str
    data: str
    uids: tuple[str, ...]
    step: int
    stage: int
    best: float | None
    elapsed_s: float
    normaliser: dict[str, Any]
    sha256: str = ""


class Averaged:
    """Exponential moving average of the weights that train: decay = 1 - (1 + n)^-power.

    The schedule of Diffusion Policy (Chi et al. 2023): power 0.75, at most 0.9999.
    """

    POWER = 0.75
    MOST = 0.9999

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._live = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.tensors = {name: p.detach().clone() for name, p in self._live.items()}
        self.updates = 0

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        decay = min(self.MOST, 1.0 - (1.0 + self.updates) ** -self.POWER)
        torch._foreach_lerp_(
            list(self.tensors.values()), [p.detach() for p in self._live.values()], 1.0 - decay
        )

    def state_dict(self) -> dict[str, Tensor]:
        """All tensors of the module, with averages where there are any."""
        return {**self._module.state_dict(), **self.tensors}

    @torch.no_grad()
    def exchange(self) -> None:
        """Put the averages into the module and what was there here; twice is nothing."""
        for name, live in self._live.items():
            kept = live.detach().clone()
            live.copy_(self.tensors[name])
            self.tensors[name].copy_(kept)


def save_state(
    path: Path,
    facts: Facts,
    module: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    averaged: Averaged | None,
    generator: torch.Generator,
) -> None:
    """Write a state, all at once. Raises PolicyError if it cannot be written."""
    tensors = {f"model.{name}": value for name, value in module.state_dict().items()}
    if averaged is not None:
        tensors.update({f"ema.{name}": value for name, value in averaged.tensors.items()})
        tensors["ema_updates"] = torch.tensor(averaged.updates)
    if optimizer is not None:
        names = {id(p): name for name, p in module.named_parameters()}
        for parameter, moments in optimizer.state.items():
            for moment, value in moments.items():
                tensors[f"optimizer.{moment}.{names[id(parameter)]}"] = torch.as_tensor(value)
    tensors["chance.stage"] = generator.get_state()
    tensors["chance.global"] = torch.get_rng_state()
    if torch.cuda.is_available() and generator.device.type == "cuda":
        tensors["chance.cuda"] = torch.cuda.get_rng_state(generator.device)
    blob = safetensors.torch.save(
        {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    )
    facts = msgspec.structs.replace(facts, sha256=hashlib.sha256(blob).hexdigest())
    text = msgspec.json.format(msgspec.json.encode(facts), indent=1)
    write_folder(path, {FACTS_FILE: text, TENSORS_FILE: blob})


def load_state(path: Path) -> tuple[Facts, dict[str, Tensor]]:
    """A state as it was written.

    Raises:
        PolicyError: If it is damaged or newer than this program.
    """
    files = read_folder(path, [FACTS_FILE, TENSORS_FILE], _LARGEST)
    start_anew = "Remove the folder of the training and start anew"
    try:
        facts = msgspec.json.decode(files[FACTS_FILE], type=Facts)
    except msgspec.MsgspecError as error:
        raise PolicyError(
            f"{path / FACTS_FILE} cannot be read: {error}", next_step=start_anew
        ) from error
    if facts.schema != SCHEMA:
        raise PolicyError(
            f"{path} has schema {facts.schema}; this program goes on from {SCHEMA}",
            next_step="Go on with the version that began it, or start anew",
        )
    blob = files[TENSORS_FILE]
    if hashlib.sha256(blob).hexdigest() != facts.sha256:
        raise PolicyError(f"{path / TENSORS_FILE} is damaged", next_step=start_anew)
    return facts, safetensors.torch.load(blob)


def restore(
    tensors: Mapping[str, Tensor],
    module: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    averaged: Averaged | None,
    generator: torch.Generator,
) -> None:
    """Put everything back where `save_state` took it from."""
    module.load_state_dict(_below(tensors, "model."))
    if averaged is not None:
        for name, value in _below(tensors, "ema.").items():
            averaged.tensors[name].copy_(value)
        averaged.updates = int(tensors["ema_updates"])
    if optimizer is not None:
        parameters = dict(module.named_parameters())
        for place, value in _below(tensors, "optimizer.").items():
            moment, name = place.split(".", 1)
            parameter = parameters[name]
            optimizer.state[parameter][moment] = value.to(parameter.device)
    generator.set_state(tensors["chance.stage"])
    torch.set_rng_state(tensors["chance.global"])
    if "chance.cuda" in tensors and generator.device.type == "cuda":
        torch.cuda.set_rng_state(tensors["chance.cuda"], generator.device)


def numbers(parameters: Iterable[nn.Parameter]) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in parameters)


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
