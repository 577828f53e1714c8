"""A LeRobot 0.4.4 ACT checkpoint as a policy for `policies/serving/standalone.py`.

Runs in LeRobot's own environment; copy it there beside standalone.py:

    CHECKPOINT=folder python standalone.py lerobot_act.py --port 8000

The checkpoint must have learnt absolute tool positions [m] and pad gaps [m] of our arms, in the
order of SIDES: per arm x, y, z, (rotation,) gap. Its `observation.state` is, in the order of STATE,
what our streams say, its `observation.environment_state` in that of ENVIRONMENT. What it has from
pictures goes into CAMERAS. For a checkpoint of lerobot_train.py the file `teledeck.json` in its
folder says all that; for any other edit the six constants.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

SIDES = ["right"]
STATE = {"right_arm/T_world_tool": 7, "right_gripper/gap": 1}  # stream: how many numbers
ENVIRONMENT: dict[str, int] = {}  # likewise, {"scene/glance": 7}
CAMERAS: dict[str, str] = {}  # our stream: its feature, {"front/rgb": "observation.images.front"}
RATE_HZ = 24.0  # rows a second that it was trained at
ROTATION = False


def declare_missing_operators() -> None:
    """A torchvision made for another torch lacks its compiled operators, which its import only
    describes. Declared without a body they do no harm until somebody calls them."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        globals()["_library"] = library  # it must live as long as the process


class LeRobotAct:
    """The policy as the server wants it."""

    def __init__(self, folder: str) -> None:
        declare_missing_operators()
        from lerobot.policies.act.modeling_act import ACTPolicy
        from lerobot.policies.factory import make_pre_post_processors

        torch.set_num_threads(1)
        place = Path(folder)
        told: dict[str, Any] = {}
        if (place / "teledeck.json").is_file():
            told = json.loads((place / "teledeck.json").read_text(encoding="utf-8"))
        self.parts = {
            "observation.state": told.get("state", STATE),
            "observation.environment_state": told.get("environment", ENVIRONMENT),
        }
        self.policy = ACTPolicy.from_pretrained(folder).eval()
        config = self.policy.config
        try:
            self.before, self.after = make_pre_post_processors(config, pretrained_path=folder)
        except FileNotFoundError:  # a checkpoint without statistics: numbers go in as they are
            self.before = self.after = None
        needs = [
            {"stream": stream, "key": stream, "shape": [size], "steps": 1}
            for streams in self.parts.values()
            for stream, size in streams.items()
        ]
        for stream, feature in CAMERAS.items():
            channels, height, width = config.input_features[feature].shape
            needs.append(
                {"stream": stream, "key": stream, "shape": [height, width, channels], "steps": 1}
            )
        self.offer = {
            "name": "lerobot-act",
            "digest": digest(place),
            "resets": True,
            "needs": needs,
            "space": {
                "sides": told.get("sides", SIDES),
                "rotation": told.get("rotation", ROTATION),
                "rate_hz": told.get("rate_hz", RATE_HZ),
                "horizon": config.chunk_size,
            },
        }

    def reset(self, seed: int | None) -> None:
        if seed is not None:
            torch.manual_seed(seed)
        self.policy.reset()

    @torch.inference_mode()
    def infer(self, observation: dict[str, Any]) -> np.ndarray:
        batch: dict[str, Any] = {}
        for feature, streams in self.parts.items():
            if streams:
                numbers = np.concatenate([np.ravel(observation[stream]) for stream in streams])
                batch[feature] = torch.from_numpy(numbers.astype(np.float32))[None]
        for stream, feature in CAMERAS.items():
            picture = torch.from_numpy(np.array(observation[stream]))
            batch[feature] = (picture.permute(2, 0, 1).float() / 255.0)[None]
        if self.before is not None:
            batch = self.before(batch)
        chunk = self.policy.predict_action_chunk(batch)
        if self.after is not None:
            chunk = self.after(chunk)
        rows: np.ndarray = chunk[0].cpu().numpy()
        return rows


def digest(folder: Path) -> str:
    """What identifies the weights and statistics: SHA-256 over all files of the checkpoint."""
    found = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        found.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def make() -> LeRobotAct:
    return LeRobotAct(os.environ["CHECKPOINT"])
