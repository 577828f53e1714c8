"""Marker pictures all the way: image → markers → field → embedding → arrows → recording."""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from app.launch import Run
from app.runtime.requests import Arm, HeadsetConfirm, HeadsetListen, Ok, Start, Stop, UseLeader
from app.runtime.station_file import Cameras, StationFile, Touch
from devices.gelsight import basis
from devices.gelsight.kinds import GELSIGHT_MINI
from devices.tactar.fake_quest import FakeQuest, in_background
from devices.tactar.headset_app import HeadsetApp
from devices.tactar.motions import SCRIPTS
from devices.tactar.overlay import ANCHORS
from devices.tactar.wire import Ports
from tests.headset.quest import free_base
from tests.headset.test_process import Lab

pytestmark = pytest.mark.slow
PADS = ("left_inner", "left_outer", "right_inner", "right_outer")


def test_pictures_become_arrows_and_are_recorded(tmp_path: Path) -> None:
    transform = basis.own(GELSIGHT_MINI)
    station = StationFile(
        scene="wipe",
        cameras=Cameras(width=160, height=120, rate_hz=5.0, detail="minimal"),
        touch=Touch(source="pictures", pca=str(basis.path_of(GELSIGHT_MINI)), subtract_grasp=False),
    )
    base = free_base()
    with Run(station, {"folder": str(tmp_path / "kept"), "ports": base}) as run:
        lab = Lab(run, base)
        lab.until(lambda: run.session.headset is not None)
        lab.until(lambda: run.session.latest("right_inner_pad/deformation") is not None)
        lab.ask(HeadsetListen(True, 0))
        lab.until(lambda: lab.headset.listening)
        quest = FakeQuest(
            SCRIPTS["still"],
            port=lab.headset.port,
            ports=Ports.from_base(base),
            app=HeadsetApp(tremble_m=1e-4),
        )
        with in_background(quest):
            lab.until(lambda: bool(lab.headset.posters))
            lab.ask(HeadsetConfirm("127.0.0.1"))
            assert isinstance(run.session.open_dataset(tmp_path / "data", "wipe"), Ok)
            # A take holds the streams that are there when it begins.
            lab.until(
                lambda: all(run.session.latest(f"headset/arrows_{pad}") is not None for pad in PADS)
            )
            lab.ask(Arm())
            lab.ask(Start("wipe"))
            # The operator at the station closes the gripper about the eraser.
            lab.ask(UseLeader("scripted"))

            def pressed() -> bool:
                told = quest.received.tactile.get(ANCHORS["right_inner"])
                return told is not None and bool(np.abs(told.ends - told.starts).max() > 2e-4)

            lab.until(pressed)
            lab.watch(1.0)
            reply = run.session.request(Stop(), 5.0)
            assert isinstance(reply, Ok), reply
            assert len(quest.received.tactile) == len(PADS)
            assert quest.report().faults == {}
    path = tmp_path / "data" / "episodes" / f"{reply.uid}.h5"
    with h5py.File(path) as episode:
        streams = episode["streams"]
        for pad in PADS:
            assert streams[f"{pad}_pad/markers/data"].shape[1:] == (63, 2)
            assert len(streams[f"headset/arrows_{pad}/data"]) > 3
        name = "right_inner_pad"
        rows = np.asarray(streams[f"{name}/markers/data"], dtype=np.float64)
        embedded = np.array([transform.embed(row) for row in rows])
        np.testing.assert_allclose(streams[f"{name}/pca/data"], embedded, atol=1e-3)
        field = np.asarray(streams[f"{name}/deformation/data"])
        assert field[..., 2].max() > 1e-4, "the gel was pressed in"
        # An arrow as sent belongs to a field as felt: it carries that field's very time.
        sent = np.asarray(streams["headset/arrows_right_inner/t_ns"])
        felt = np.asarray(streams[f"{name}/deformation/t_ns"])
        both = np.isin(sent, felt)
        assert both.mean() > 0.9
        assert time.monotonic_ns() > sent[-1]
