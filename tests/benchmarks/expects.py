"""How well a Reactive Diffusion Policy tells the touch to come: on takes it has not seen.

`python -m tests.benchmarks.expects --run FOLDER [--json FILE]`

FOLDER is that of a training. On its hold-out, the force that the checkpoint expects is compared
with the force that was felt: for the plan that was demonstrated (its latent), and for the plan that
the slow path draws. Beside it two guesses that need no policy: always the mean force of the
training takes, and that the force stays as it is when the plan begins.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from app.session.training_clerk import _read
from policies import checkpoint
from policies.contract import Window
from policies.rdp import RDPPolicy
from policies.training_run import RunFolder
from tests.benchmarks.report import Row, options, tell

MOST = 400  # windows


def force(rows: torch.Tensor) -> torch.Tensor:
    """Size of the force of wrenches (..., 6) [N]."""
    return torch.linalg.vector_norm(rows[..., :3], dim=-1)


def main() -> int:
    parser = options(__doc__ or "", seconds=0)
    parser.add_argument("--run", type=Path, required=True)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    plan = RunFolder(asked.run).plan()
    policy = checkpoint.load(asked.run / "best")
    if not isinstance(policy, RDPPolicy) or policy.expectation is None:
        parser.error(f"{asked.run} is no Reactive Diffusion Policy that expects something")
    (need,) = policy.touches
    held, learnt = (_read(plan, split, lambda done, of: None) for split in ("hold-out", "train"))
    chance = np.random.default_rng(0)

    def drawn(data: object, count: int) -> dict[str, torch.Tensor]:
        size = len(data)  # type: ignore[arg-type]
        chosen = np.sort(chance.choice(size, min(count, size), replace=False))
        rows = [data[int(index)] for index in chosen]  # type: ignore[index]
        return {key: torch.stack([torch.as_tensor(row[key]) for row in rows]) for key in rows[0]}

    mean = float(force(drawn(learnt, MOST)[need.key]).mean())
    raw = drawn(held, MOST)
    batch = policy.prepare(policy.config, raw)
    felt = force(raw[need.key])  # (B, H)
    with torch.inference_mode():
        actions = policy.normaliser.normalise("actions", batch["actions"])
        latent = policy.tokenizer.plan(policy.tokenizer.posterior(actions)[0])
        told = policy.expectation(latent, policy._place(batch, latent))
        shown = force(policy.normaliser.denormalise(need.key, told))
    planned = []
    policy.reset(0)
    for row in range(len(felt)):
        values = {
            one.key: raw[one.key][row][: 1 if one.span == "chunk" else None].numpy()
            for one in policy.needs
        }
        rows = policy.act(Window(0, values)).expects[need.stream]
        planned.append(force(torch.as_tensor(rows)))

    def wrong(guess: torch.Tensor | float) -> float:
        return float((guess - felt).abs().mean())

    note = f"{len(felt)} windows of {felt.shape[1]} rows"
    tell(
        "Expected force, mean absolute error on the hold-out",
        [
            Row("expected, for the plan that was demonstrated", wrong(shown), "N", note),
            Row("expected, for the plan that is drawn", wrong(torch.stack(planned)), "N"),
            Row("guess: the mean of the training takes", wrong(mean), "N", f"{mean:.2f} N"),
            Row("guess: as it is when the plan begins", wrong(felt[:, :1]), "N"),
        ],
        asked.json,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
