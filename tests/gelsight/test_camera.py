"""USB cameras by identity: found, opened, unplugged, replugged; fakes stand for the hardware."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from devices.clock import FakeClock
from devices.errors import ConfigError, DeviceError
from devices.gelsight.camera import UsbMarkerCamera, found
from devices.gelsight.kinds import GELSIGHT_MINI, KINDS, MCTAC, kind_named
from devices.gelsight.sensor import MarkerSensor
from tests.gelsight.known_fields import painter

MINI = "Maker_GelSight_Mini_ABC123"
OTHER = "Maker_GelSight_Mini_XYZ789"
PLAIN = "Somebody_USB_Camera_0001"


class FakeUsb:
    """A bus: identities at device nodes, listed as the system lists them."""

    def __init__(self, folder: Path) -> None:
        self.by_id = folder / "by-id"
        self.by_id.mkdir()
        self.nodes = folder
        self.present: dict[str, str] = {}
        self.opened: list[str] = []
        self.busy = False
        self.picture: Any = painter(GELSIGHT_MINI).draw(np.zeros((63, 2)))[..., ::-1]

    def plug(self, identity: str, node: str) -> None:
        self.present[node] = identity
        (self.nodes / node).touch()
        for index in (0, 1):
            (self.by_id / f"usb-{identity}-video-index{index}").symlink_to(self.nodes / node)

    def unplug(self, node: str) -> None:
        identity = self.present.pop(node)
        (self.nodes / node).unlink()
        for index in (0, 1):
            (self.by_id / f"usb-{identity}-video-index{index}").unlink()

    def open(self, path: Path, size: tuple[int, int], rate_hz: float) -> FakeCapture:
        self.opened.append(path.name)
        return FakeCapture(self, path.name)


class FakeCapture:
    def __init__(self, usb: FakeUsb, node: str) -> None:
        self.usb, self.node, self.held = usb, node, not usb.busy

    def isOpened(self) -> bool:  # OpenCV's name
        return self.held

    def set(self, property_id: int, value: float) -> bool:
        return True

    def read(self) -> tuple[bool, Any]:
        assert self.held, "read after release"
        if self.node not in self.usb.present:
            return False, None
        return True, self.usb.picture

    def release(self) -> None:
        self.held = False


@pytest.fixture
def usb(tmp_path: Path) -> FakeUsb:
    return FakeUsb(tmp_path)


def camera(usb: FakeUsb, clock: FakeClock, identity: str = MINI, **options: Any) -> UsbMarkerCamera:
    return UsbMarkerCamera(
        GELSIGHT_MINI,
        identity,
        clock=clock,
        folder=usb.by_id,
        open_capture=usb.open,
        **options,
    )


def test_cameras_are_listed_once_with_what_their_name_tells(usb: FakeUsb) -> None:
    assert found(usb.nodes / "nowhere") == found(usb.by_id) == ()
    usb.plug(PLAIN, "video0")
    usb.plug(MINI, "video2")
    (usb.by_id / "usb-Dangling-video-index0").symlink_to(usb.nodes / "gone")
    listed = {camera.identity: camera.kind for camera in found(usb.by_id)}
    assert listed == {MINI: GELSIGHT_MINI, PLAIN: None}


def test_it_is_opened_by_identity_whatever_the_order(usb: FakeUsb) -> None:
    usb.plug(OTHER, "video0")
    usb.plug(MINI, "video2")
    clock = FakeClock()
    device = camera(usb, clock, latency_ns=20_000_000)
    device.connect()
    device.connect()
    assert usb.opened == ["video2"]
    taken = device.read()
    assert taken is not None
    t_ns, picture = taken
    assert t_ns == clock.now_ns() - 20_000_000
    assert np.array_equal(picture, usb.picture[..., ::-1])  # RGB
    device.close()
    device.close()


def test_an_absent_camera_is_named_with_those_that_are_there(usb: FakeUsb) -> None:
    usb.plug(OTHER, "video0")
    with pytest.raises(DeviceError, match=rf"'{MINI}' is not plugged in.*{OTHER}.*Plug it in"):
        camera(usb, FakeClock()).connect()
    usb.plug(MINI, "video2")
    usb.busy = True
    with pytest.raises(DeviceError, match=r"does not open.*Close the program"):
        camera(usb, FakeClock()).connect()


@pytest.mark.parametrize("identity", ["", "../../etc/passwd"])
def test_what_is_no_identity_is_refused(usb: FakeUsb, identity: str) -> None:
    with pytest.raises(ConfigError, match="no identity"):
        camera(usb, FakeClock(), identity)


def test_unplugged_and_plugged_in_elsewhere_it_comes_back(usb: FakeUsb) -> None:
    usb.plug(MINI, "video0")
    clock = FakeClock()
    device = camera(usb, clock)
    assert device.read() is not None
    usb.unplug("video0")
    with pytest.raises(DeviceError, match=r"no pictures any more.*Plug it in again"):
        device.read()
    usb.plug(OTHER, "video0")  # another one takes its place
    for _ in range(30):
        clock.advance_s(0.1)
        with pytest.raises(DeviceError):
            device.read()
    assert usb.opened == ["video0"]
    usb.plug(MINI, "video5")
    clock.advance_s(1.0)
    assert device.read() is not None
    assert usb.opened == ["video0", "video5"]
    device.close()


def test_a_camera_that_does_not_open_is_tried_once_a_second(usb: FakeUsb) -> None:
    usb.plug(MINI, "video0")
    usb.busy = True
    clock = FakeClock()
    device = camera(usb, clock)
    for _ in range(100):
        with pytest.raises(DeviceError, match=r"does not open"):
            device.read()
        clock.advance_s(0.0301)
    assert 3 <= len(usb.opened) <= 4


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((240, 320, 3), np.uint8),
        np.zeros((480, 640), np.uint8),
        np.zeros((480, 640, 3), np.uint16),
        "nonsense",
    ],
    ids=["small", "grey", "deep", "text"],
)
def test_a_picture_of_another_size_is_refused(usb: FakeUsb, picture: Any) -> None:
    usb.plug(MINI, "video0")
    device = camera(usb, FakeClock())
    good, usb.picture = usb.picture, picture
    with pytest.raises(DeviceError, match=r"sends pictures of.*\(480, 640, 3\) uint8"):
        device.read()
    usb.picture = good
    assert device.read() is not None
    device.close()


def test_pictures_of_a_declared_other_size_are_scaled(usb: FakeUsb) -> None:
    usb.plug(MINI, "video0")
    usb.picture = np.zeros((960, 1280, 3), np.uint8)
    taken = camera(usb, FakeClock(), size=(1280, 960)).read()
    assert taken is not None and taken[1].shape == (480, 640, 3)


def test_the_sensor_keeps_its_rest_over_a_pulled_plug(usb: FakeUsb) -> None:
    usb.plug(MINI, "video0")
    clock = FakeClock()
    sensor = MarkerSensor(camera(usb, clock))
    first = sensor.poll()
    assert first is not None and first.lost == 0
    assert sensor.identity == MINI and sensor.kind is GELSIGHT_MINI and not sensor.simulated
    rest = sensor.rest
    usb.unplug("video0")
    with pytest.raises(DeviceError):
        sensor.poll()
    assert not sensor.state.connected
    usb.plug(MINI, "video1")
    clock.advance_s(1.5)
    assert sensor.poll() is not None
    assert sensor.rest is rest and sensor.state.connected
    sensor.close()
    sensor.close()


def test_kinds_are_found_by_name() -> None:
    assert [kind_named(kind.name) for kind in KINDS] == [GELSIGHT_MINI, MCTAC]
    with pytest.raises(ConfigError, match="gelsight_mini, mctac"):
        kind_named("digit")
