"""A LeRobot 0.4.4 ACT checkpoint as a policy for `policies/serving/standalone.py`.

Runs in LeRobot's own environment; copy it there beside standalone.py, edit the five constants:

    CHECKPOINT=folder python standalone.py lerobot_act.py --port 8000

The checkpoint must have learnt absolute tool positions [m] and pad gaps [m] of our arms, in the
order of SIDES: per arm x, y, z, (rotation,) gap. Its `observation.state` is, in the order of STATE,
what our streams say. What it has from pictures goes into CAMERAS.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import numpy as np
import torch

SIDES = ["right"]
STATE = {"right_arm/T_world_tool": 7, "right_gripper/gap": 1}  # stream: how many numbers
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
        self.policy = ACTPolicy.from_pretrained(folder).eval()
        config = self.policy.config
        try:
            self.before, self.after = make_pre_post_processors(config, pretrained_path=folder)
        except FileNotFoundError:  # a checkpoint without statistics: numbers go in as they are
            self.before = self.after = None
        needs = [
            {"stream": stream, "key": stream, "shape": [size], "steps": 1}
            for stream, size in STATE.items()
        ]
        for stream, feature in CAMERAS.items():
            channels, height, width = config.input_features[feature].shape
            needs.append(
                {"stream": stream, "key": stream, "shape": [height, width, channels], "steps": 1}
            )
        self.offer = {
            "name": "lerobot-act",
            "resets": True,
            "needs": needs,
            "space": {
                "sides": SIDES,
                "rotation": ROTATION,
                "rate_hz": RATE_HZ,
                "horizon": config.chunk_size,
            },
        }

    def reset(self, seed: int | None) -> None:
        if seed is not None:
            torch.manual_seed(seed)
        self.policy.reset()

    @torch.inference_mode()
    def infer(self, observation: dict[str, Any]) -> np.ndarray:
        state = np.concatenate([np.ravel(observation[stream]) for stream in STATE])
        batch: dict[str, Any] = {
            "observation.state": torch.from_numpy(state.astype(np.float32))[None]
        }
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


def make() -> LeRobotAct:
    return LeRobotAct(os.environ["CHECKPOINT"])
