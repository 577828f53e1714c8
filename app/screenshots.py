"""`teledeck screenshots`: the pictures of README and docs, from the real window on a real run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from app.headless import collect
from app.launch import open_window
from app.runtime.station_file import StationFile
from app.virtual_display import virtual_display

SCENE = "wipe"
TAKES = 3


def take_screenshots(out: Path, only: str = "") -> int:
    """Record a few scripted takes, drive the window through every place, write PNGs.

    Args:
        out: Folder for the pictures; made if missing.
        only: "headset" for the pictures of its page alone, which need no takes; "" for all.

    Returns:
        Exit status of the window.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="teledeck-pictures-") as folder:
        dataset = Path(folder) / "demonstrations"
        if not only:
            for scene in (SCENE, "drawer"):
                collect(StationFile(scene=scene), dataset, takes=TAKES)
            _small_policy(dataset.with_name("checkpoint"))
        with virtual_display():
            # No set-up of a headset that somebody made here before: the pictures lead through one.
            headset = {"folder": str(Path(folder) / "headsets")}
            shown = None if only else dataset  # without takes there is nothing of it to show
            return open_window(
                StationFile(scene=SCENE), shown, screenshots=out, only=only, headset=headset
            )


def _small_policy(place: Path) -> None:
    """A real checkpoint that has learnt nothing but where the middle of its workspace is: enough
    to see a policy drive in the pictures."""
    import torch

    from policies import checkpoint
    from policies.bc import BcConfig, BehaviourCloning
    from policies.contract import ActionSpace, StreamNeed
    from policies.normaliser import Normaliser

    torch.manual_seed(0)
    tool = StreamNeed(
        stream="right_arm/T_world_tool", key="tool", shape=(7,), unit="m,wxyz", frame="world"
    )
    space = ActionSpace(sides=("right",), rate_hz=24.0, horizon=24)
    low = torch.tensor([0.25, -0.25, 0.3, 0.02])
    batch = {
        "tool": torch.rand(200, tool.steps, 7) * 2 - 1,
        "actions": low + 0.1 * torch.rand(200, space.horizon, 4),
        "mask": torch.ones(200, space.horizon, dtype=torch.bool),
        "weight": torch.ones(200),
    }
    config = BcConfig(needs=(tool,), space=space, width=32, layers=1)
    normaliser = Normaliser.fit([batch], BehaviourCloning.modes(config))
    checkpoint.save(place, BehaviourCloning(config, normaliser))
