"""What the operator is asked to do now, from what headset and station say. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from app.runtime.statuses import HeadsetCalibration, HeadsetStatus, Poster, StationStatus
from app.ui.action import Intent
from app.ui.look import Tone

StepName = Literal["port", "who", "squeeze", "push", "align", "drive"]
STEPS: tuple[StepName, ...] = get_args(StepName)

STEP_TITLES: dict[StepName, str] = {
    "port": "Open the port",
    "who": "Who posts",
    "squeeze": "Squeeze left",
    "push": "Push forward",
    "align": "Align",
    "drive": "Drive",
}
"""Short titles for the row of steps."""

SILENT_MS = 1000.0
"""A headset that has not posted for this long is told to be silent."""

_ASKED: dict[str, StepName] = {
    "squeeze_left": "squeeze",
    "push_forward": "push",
    "align": "align",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A button: what it says and what it asks for. `key` is the action whose key it shows."""

    title: str
    intent: Intent
    icon: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Guide:
    """The one thing that is asked now.

    Attributes:
        step: Which of the six.
        title, text: What to do, and how.
        more: The rest of it, in small print.
        share: How much of the step is done, 0 ... 1; NaN where there is no measure of it.
        problem: What went wrong in the last try and what to do next, or "".
        tone: Colour of the problem.
        offer: The large button, None while the operator's hands do it.
        others: Smaller buttons.
        calm: The step is done and nothing is asked.
        good: And what was wanted happens.
    """

    step: StepName
    title: str
    text: str
    more: str = ""
    share: float = math.nan
    problem: str = ""
    tone: Tone = "armed"
    offer: Offer | None = None
    others: tuple[Offer, ...] = ()
    calm: bool = False
    good: bool = False

    @property
    def number(self) -> int:
        """1 ... 6."""
        return STEPS.index(self.step) + 1


CHECK = Offer(
    "Check with one push", Intent("headset_set_up", "push_forward"), "arrow-up", "headset.check"
)
CANCEL = Offer("Cancel", Intent("headset_set_up", "cancel"), "x", "headset.cancel")
AGAIN = Offer(
    "Do it again", Intent("headset_set_up", "again"), "arrow-counter-clockwise", "headset.again"
)
MAKE_AGAIN = Offer(
    "Make it again",
    Intent("headset_set_up", "begin"),
    "arrow-counter-clockwise",
    "headset.set_up",
)
KEEP = Offer("Keep it", Intent("headset_set_up", "keep"), "check", "headset.keep")
AXES_LIE = Offer(
    "The app's axes lie there already",
    Intent("headset_set_up", "finish"),
    "check",
    "headset.finish",
)
STOP_DRIVING = Offer("Stop driving", Intent("use_leader", "window"), "stop", "headset.release")
NO_TRIM = Offer(
    "Patched app: no turn", Intent("headset_set_up", "no_trim"), "wrench", "headset.no_trim"
)


_CALIBRATING = "The app is in its calibration mode. Press X and A together to leave it."


def guide(headset: HeadsetStatus | None, station: StationStatus | None, chosen: str = "") -> Guide:
    """The step that is asked now.

    Args:
        headset: What the headset process says, None while it is silent.
        station: What the station says.
        chosen: Address of the poster that is marked in the list, "" for the first.
    """
    if headset is None:
        return Guide(
            "port",
            "The headset process is not running",
            "It hears the headset and sends it what the fingers feel. The robot and your takes "
            "are not touched by its end.",
            tone="fault",
            offer=Offer("Start it", Intent("restart_headset"), "arrows-clockwise"),
        )
    if not headset.listening:
        return Guide(
            "port",
            f"Open port {headset.port}",
            "The app in the headset sends its controllers there, sixty times a second.",
            problem=headset.text if headset.fault else "",
            tone="fault",
            offer=Offer(
                "Open the port", Intent("headset_listen", "on"), "broadcast", "headset.listen"
            ),
        )
    asked = _ASKED.get(headset.set_up.step)
    silent = _silence(headset)
    if not headset.address:
        return _who(headset, chosen)
    if silent:
        return Guide(
            "who",
            "The headset is silent",
            "Put it on and look whether the app still runs. Both must be in the same network; "
            "the robot holds meanwhile.",
            problem=silent,
        )
    if asked is not None:
        return _asking(headset, asked)
    calibration = headset.calibration
    if calibration is None:
        return Guide(
            "squeeze",
            "Take both controllers",
            "Three small motions, under a minute: squeeze the left grip, push straight forward, "
            "align with the table. The robot holds meanwhile.",
            problem=headset.set_up.problem,
            offer=Offer(
                "Begin", Intent("headset_set_up", "begin"), "arrow-right", "headset.set_up"
            ),
        )
    if calibration.doubt:
        return Guide(
            "squeeze",
            "Is the set-up still right?",
            "One push straight ahead tells. If it is wrong, the arm goes elsewhere than you.",
            problem=calibration.doubt,
            offer=CHECK,
            others=(MAKE_AGAIN, KEEP),
        )
    return _drive(headset, station)


def _who(headset: HeadsetStatus, chosen: str) -> Guide:
    posting = [p for p in headset.posters if p.age_ms < 3 * SILENT_MS]
    if not posting:
        return Guide(
            "who",
            "Start the app in the headset",
            "Click the left thumbstick, type this machine's address, press Enter.",
        )
    address = next((p.address for p in posting if p.address == chosen), posting[0].address)
    title = "Is this your headset?" if len(posting) == 1 else "Which one is your headset?"
    return Guide(
        "who",
        title,
        "Move it and look whether the picture moves with it. All others are refused."
        if len(posting) == 1
        else "Move it and look which line answers. All others are refused.",
        offer=Offer(
            f"Yes, {address}",
            Intent("headset_confirm", address),
            "check-circle",
            "headset.confirm",
        ),
    )


def _asking(headset: HeadsetStatus, step: StepName) -> Guide:
    state = headset.set_up
    others: tuple[Offer, ...]
    match step:
        case "squeeze":
            title, others = "Squeeze the left grip", (CANCEL,)
        case "push":
            title, others = "Push straight forward", (AGAIN, NO_TRIM, CANCEL)
        case _:
            title, others = "Align with the table", (AGAIN, AXES_LIE, CANCEL)
    # The first sentence is what to do, and is read from afar; the rest is how to do it better.
    first, dot, rest = state.text.partition(". ")
    return Guide(
        step,
        title,
        first + dot.strip(),
        rest,
        share=state.share,
        problem=_CALIBRATING if headset.calibrating else state.problem,
        others=others,
    )


def _drive(headset: HeadsetStatus, station: StationStatus | None) -> Guide:
    problem = headset.text if headset.fault else ""
    # What the headset's process says of the hands: why one does not take hold, and the way out.
    more = "" if headset.fault else headset.text
    if station is None or station.phase in ("stopped", "estop"):
        stopped = station is not None and station.phase == "estop"
        return Guide(
            "drive",
            "Emergency stop" if stopped else "The robot is not running",
            "Look at the robot, then clear the stop." if stopped else "Start the station again.",
            tone="fault",
            problem=problem,
            more=more,
            offer=Offer("Clear the stop", Intent("clear_estop"), "lock-open", "safety.clear")
            if stopped
            else Offer(
                "Restart station",
                Intent("restart_station"),
                "arrows-clockwise",
                "station.restart",
            ),
        )
    if headset.calibrating:
        return Guide(
            "drive",
            "The app is calibrating",
            "Press X and A together to leave its calibration mode; the robot holds meanwhile.",
            "If the app is not in that mode, one push tells.",
            problem=problem,
            offer=CHECK,
            others=(STOP_DRIVING,) if station.leader == "headset" else (),
        )
    if station.leader != "headset":
        return Guide(
            "drive",
            "Ready to drive",
            "Each arm waits for a squeeze of its grip and lets go when you do. The trigger closes "
            "the gripper.",
            problem=problem,
            more=more,
            offer=Offer("Start driving", Intent("use_leader", "headset"), "play", "headset.drive"),
        )
    follows = [arm.side for arm in station.arms if arm.clutched and not arm.hold]
    if follows:
        which = "Both arms follow" if len(follows) == 2 else f"The {follows[0]} arm follows"
        return Guide(
            "drive",
            which,
            "Let go of the grip and it holds still. The trigger closes the gripper.",
            problem=problem or _why_held(headset),
            more=more,
            others=(STOP_DRIVING,),
            calm=True,
            good=True,
        )
    if headset.holds:
        sides = tuple(headset.holds)
        return Guide(
            "drive",
            "Both arms hold" if len(sides) == 2 else f"The {sides[0]} arm holds",
            "Let go of the grip, then squeeze it afresh.",
            problem=problem or _why_held(headset),
            others=(STOP_DRIVING,),
            calm=True,
        )
    return Guide(
        "drive",
        "Hold a grip: the arm follows",
        "It moves as your hand does since the squeeze. The trigger closes the gripper.",
        problem=problem,
        more=more,
        others=(STOP_DRIVING,),
        calm=True,
    )


def _why_held(headset: HeadsetStatus) -> str:
    """Why hands drive nothing; the same reason is said once."""
    reasons = dict.fromkeys(headset.holds.values())
    if len(reasons) == 1 and len(headset.holds) == 2:
        return f"Both hands: {_small(*reasons)}"
    return " ".join(f"{side.capitalize()}: {_small(why)}" for side, why in headset.holds.items())


def _small(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:]}"


def confirmed(headset: HeadsetStatus) -> Poster | None:
    """The confirmed headset among those that post."""
    return next((p for p in headset.posters if p.address == headset.address), None)


def _silence(headset: HeadsetStatus) -> str:
    poster = confirmed(headset)
    if not headset.address:
        return ""
    if poster is None:
        return f"{headset.address} does not post."
    if poster.age_ms > SILENT_MS:
        return f"{headset.address} has not posted for {poster.age_ms / 1000:.0f} s."
    return ""


def refused_posters(headset: HeadsetStatus) -> tuple[Poster, ...]:
    """Others that post while one headset is confirmed."""
    if not headset.address:
        return ()
    return tuple(p for p in headset.posters if p.address != headset.address)


def calibration_words(calibration: HeadsetCalibration) -> tuple[tuple[str, str], ...]:
    """What a calibration says, as pairs of a label and a value."""
    turn = math.degrees(calibration.trim_rad)
    spread = math.degrees(calibration.residual_rad)
    return (
        ("Made", f"{age_words(calibration.age_s)} ago"),
        ("Turn", f"{turn:+.1f}°".replace("-", "\u2212")),
        ("Spread", f"±{spread:.1f}°" if math.isfinite(spread) else "–"),
        ("Hands", "exchanged" if calibration.swapped else "as held"),
    )


def age_words(seconds: float) -> str:
    """An age to the nearest useful unit: "40 s", "12 min", "3 h", "6 days"."""
    for limit, unit, size in ((90, "s", 1), (5400, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{max(seconds, 0.0) / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
