"""The transforms that Teledeck brings along, fitted on simulated loads of its own gel.

`python -m devices.gelsight.basis` makes the files in `bases/` anew. They are files, not fits at
first use, so that an embedding means the same on every machine.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from devices.gelsight import pca
from devices.gelsight.gel import PAD, Gel
from devices.gelsight.kinds import KINDS, SensorKind
from devices.stream import FloatArray
from devices.touch import NORMAL, SHEAR_COLUMNS, SHEAR_ROWS

_SEED = 3
_LOADS = 6000
_FRICTION = 1.0
_MOST_PRESS = 15.0  # [N]
_LEAST_SPREAD, _MOST_SPREAD = 0.002, 0.009  # [m] standard deviation of a patch of contact


def own(kind: SensorKind) -> pca.Transform:
    """The transform of a fresh installation."""
    return pca.load(path_of(kind), kind)


def path_of(kind: SensorKind) -> Path:
    return Path(__file__).parent / "bases" / f"{kind.name}.npz"


def fitted(kind: SensorKind) -> pca.Transform:
    """The same, fitted now."""
    gel = Gel(kind)
    return pca.fit(np.stack([gel.offsets(field) for field in simulated_loads()]), kind)


def simulated_loads(count: int = _LOADS, seed: int = _SEED) -> FloatArray:
    """Fields of one round contact each, somewhere on the pad, within the friction cone.

    Returns:
        Shape (count, 7, 9, 3) [N].
    """
    random = np.random.default_rng(seed)
    x, y = np.meshgrid(PAD.column_positions, PAD.row_positions)
    fields = np.zeros((count, PAD.rows, PAD.columns, 3))
    for field in fields:
        middle_x = random.uniform(-0.35, 0.35) * PAD.width
        middle_y = random.uniform(-0.35, 0.35) * PAD.height
        spread = random.uniform(_LEAST_SPREAD, _MOST_SPREAD)
        way_x, way_y = x - middle_x, y - middle_y
        patch = np.exp(-(way_x**2 + way_y**2) / (2 * spread**2))
        press = random.uniform(0.0, _MOST_PRESS) * patch / patch.sum()
        pull, towards = _FRICTION * random.uniform(0, 0.8), random.uniform(0, 2 * np.pi)
        turn = random.normal(0.0, 0.4) / spread
        field[..., NORMAL] = press
        field[..., SHEAR_COLUMNS] = press * (pull * np.cos(towards) - turn * way_y)
        field[..., SHEAR_ROWS] = press * (pull * np.sin(towards) + turn * way_x)
    return fields


def main() -> None:
    for kind in KINDS:
        path = path_of(kind)
        path.parent.mkdir(exist_ok=True)
        fitted(kind).save(path)


if __name__ == "__main__":
    main()
