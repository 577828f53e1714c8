"""What the real window says when something is wrong with a headset or a sensor: real processes."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtWidgets import QApplication

from app.runtime.requests import HeadsetListen
from app.runtime.station_file import Touch
from app.ui import look
from tests.e2e.desk import ADDRESS, Desk

pytestmark = [pytest.mark.slow, pytest.mark.window]


@pytest.fixture
def app(qapp: QApplication) -> QApplication:
    look.dress(qapp)
    return qapp


def test_a_headset_that_cannot_be_believed_holds_and_says_why(
    app: QApplication, tmp_path: Path
) -> None:
    with Desk(app, tmp_path) as desk:
        worn = desk.drive()
        desk.press("headset_page")
        worn.say("hold")
        desk.until(lambda: desk.follows("left") and desk.follows("right"))

        worn.say("lose")  # tracking, in the midst of a grip
        desk.says("Left: its tracking was lost.", "Let go of the grip, then squeeze it afresh.")
        desk.stays_let_go("left")
        worn.say("find")
        desk.wait(0.6)
        assert not desk.follows("left"), "never a silent re-clutch"
        desk.press("headset_page")  # in Collect, over the view
        desk.until(lambda: "tracking was lost" in desk.signs())
        desk.press("headset_page")

        worn.say("rest")
        desk.until(lambda: not desk.session.headset.holds)
        worn.say("calibrate")  # a grip while the app is in its calibration mode
        desk.says("The app is calibrating", "Press X and A together")
        worn.say("hold")
        desk.says("The app is calibrating", "grip held")
        assert not desk.follows("right")
        worn.say("rest")
        worn.say("calibrate")
        desk.says("Is the set-up still right?", "The app's axes were moved since the set-up.")
        desk.press("headset_set_up", "keep")
        desk.says("Hold a grip: the arm follows")

        worn.say("hold")
        desk.until(lambda: desk.follows("left"))
        worn.say("recentre")
        desk.says("Is the set-up still right?", "The headset was recentred since the set-up.")
        desk.stays_let_go("left")
        desk.press("headset_page")
        desk.until(lambda: "headset was recentred" in desk.signs())
        desk.press("headset_page")


def test_two_headsets_and_a_taken_port(app: QApplication, tmp_path: Path) -> None:
    with Desk(app, tmp_path) as desk, socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        desk.press("headset_page")
        taken = other.getsockname()[1]
        desk.session.request(HeadsetListen(True, taken))
        desk.says(f"Open port {taken}", f"TCP port {taken} cannot be opened", "End the program")
        desk.open_port()
        desk.until(lambda: "cannot be opened" not in desk.words())

        desk.wear(ADDRESS).say("circle")
        desk.wear("127.0.0.9").say("rest")
        desk.says("Which one is your headset?", ADDRESS, "127.0.0.9")
        posters = {one.address: one for one in desk.session.headset.posters}
        assert not any(one.confirmed for one in posters.values())
        assert posters.keys() == {ADDRESS, "127.0.0.9"}
        desk.press("headset_confirm", "127.0.0.9")
        desk.says(f"{ADDRESS} posts too and is refused.")


@pytest.mark.parametrize(
    ("sensor", "pad", "said"),
    [
        ("simulated, upside down", "Sensor doubtful", "The gel is upside down."),
        ("simulated, covered", "Gel unreadable", "The gel cannot be read"),
        ("simulated, loose plug", "Sensor away", "is not plugged in"),
    ],
)
def test_a_sensor_that_is_not_as_it_should_be(
    app: QApplication, tmp_path: Path, sensor: str, pad: str, said: str
) -> None:
    with Desk(app, tmp_path, touch=Touch(sensors={"left_inner": sensor})) as desk:
        view = lambda: desk.window._places["collect"].touch_panel.pads["left_inner"]  # type: ignore[attr-defined]  # noqa: E731
        desk.says("Left inner: ", said)
        desk.until(lambda: view().accessibleDescription() == pad)
        if "loose" in sensor:  # plugged in again it comes back by itself
            desk.until(lambda: view().accessibleDescription() == "")
            desk.until(lambda: said not in desk.words())


def test_an_embedding_of_another_sensor(app: QApplication, tmp_path: Path) -> None:
    np.save(tmp_path / "pca_transform_matrix.npy", np.eye(50, 15))
    np.save(tmp_path / "pca_mean_matrix.npy", np.zeros(50))
    with Desk(app, tmp_path, touch=Touch(pca=str(tmp_path))) as desk:
        desk.says("No embedding. A transform of shape (50, 15) does not fit the 63 markers")
        assert str(tmp_path) not in desk.window._places["collect"].touch_panel.alert.text()  # type: ignore[attr-defined]
