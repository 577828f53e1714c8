"""The window's process: one application, one session, one main window."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import platformdirs
from PyQt6.QtCore import QSize, QSocketNotifier, Qt, QTimer
from PyQt6.QtGui import QSurfaceFormat
from PyQt6.QtWidgets import QApplication

from app.runtime import priority
from app.runtime.child import Child, run_child
from app.session.session import Session
from app.ui import look
from app.ui.action import Place
from app.ui.collect.place import CollectPlace
from app.ui.coming import ComingPlace
from app.ui.commands import Said
from app.ui.library.place import LibraryPlace
from app.ui.place import PlaceWidget, SessionPort
from app.ui.screenshots import Photographer
from app.ui.settings import SettingsFile
from app.ui.sounds import Sounds
from app.ui.test.memory import MemoryFile
from app.ui.test.place import TestPlace
from app.ui.window import MainWindow
from devices.errors import TeledeckError

log = logging.getLogger("teledeck.window")


SWITCH_S = 0.001
"""How long a thread that reads or draws may hold Python before the window has it again [s]."""

SETTLE_MS = 4000


def settle_memory() -> None:
    """Take what start-up made out of the collector's sight: walking it costs 70 ms a time.

    Nothing is collected first, for that would be the very hitch; what little start-up left behind
    stays.
    """
    gc.freeze()


def make_application(arguments: list[str] | None = None) -> QApplication:
    """The dressed application. The GL format must be set before it exists."""
    # Qt hands large fills to a pool of threads and waits for them: where all cores are busy, each
    # such wait costs the event loop milliseconds.
    os.environ.setdefault("QT_NO_GUI_THREADPOOL", "1")
    sys.setswitchinterval(SWITCH_S)
    surface = QSurfaceFormat()
    surface.setProfile(QSurfaceFormat.OpenGLContextProfile.CompatibilityProfile)  # MjrContext's
    surface.setDepthBufferSize(24)
    surface.setSamples(0)  # on software OpenGL multisampling doubles the time of a frame
    surface.setSwapInterval(0)  # the timer paces the window; waiting for the screen would stall it
    QSurfaceFormat.setDefaultFormat(surface)
    QApplication.setHighDpiScaleFactorRoundingPolicy(
        Qt.HighDpiScaleFactorRoundingPolicy.PassThrough
    )
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    app = QApplication(arguments if arguments is not None else ["teledeck"])
    app.setApplicationName("Teledeck")
    app.setApplicationDisplayName("Teledeck")
    app.setDesktopFileName("teledeck")
    look.dress(app)
    app.setWindowIcon(look.icon("record", look.DARK.accent))
    return app


def make_window(
    session: SessionPort, settings: SettingsFile | None = None, cache: Path | None = None
) -> MainWindow:
    """The main window with its five places, not yet shown."""
    places: dict[Place, PlaceWidget] = {
        "collect": CollectPlace(session),
        "library": LibraryPlace(session),
        "augment": ComingPlace("augment"),
        "retrieve": ComingPlace("retrieve"),
    }
    memory = MemoryFile(None)
    if settings is None:
        home = platformdirs.user_config_path("teledeck")
        settings = SettingsFile(home / "window.toml")
        memory = MemoryFile(home / "test.json")
    places["test"] = TestPlace(session, memory)
    folder = (cache or platformdirs.user_cache_path("teledeck")) / "sounds"
    return MainWindow(session, places, settings, Sounds(folder))


def run_window(
    session: SessionPort,
    place: Place = "collect",
    dataset: Path | None = None,
    *,
    stop_fd: int = -1,
    screenshots: Path | None = None,
    run: Path | None = None,
    only: str = "",
) -> int:
    """Show the window on a running session until it is closed.

    Args:
        session: Whom to show.
        place: Which place to open.
        dataset: What to open at once, if anything.
        stop_fd: When this becomes readable, the window closes by itself.
        screenshots: Write pictures of all places there and close, instead of waiting for a user.
        run: Folder of the run; needed for pictures.
        only: Which pictures, see `Photographer`.

    Returns:
        Exit status.

    Raises:
        TeledeckError: If not all pictures that were asked for were taken: at which it gave up.
    """
    app = make_application()
    window = make_window(session)
    previous_hook = sys.excepthook
    sys.excepthook = _exception_hook(window)
    stopper = None
    if stop_fd >= 0:
        stopper = QSocketNotifier(stop_fd, QSocketNotifier.Type.Read)  # type: ignore[call-overload]
        stopper.activated.connect(lambda *_: window.close())
    try:
        screen = app.primaryScreen()
        room = QSize(1600, 960) if screen is None else screen.availableSize()
        window.resize(room.boundedTo(QSize(1600, 960)))
        window.show()
        window.start()
        priority.keep_apart("window")
        QTimer.singleShot(SETTLE_MS, settle_memory)
        window.go(place)
        if dataset is not None:
            # After the first frame, so that a slow disk does not keep the window from showing.
            QTimer.singleShot(0, lambda: window.open_dataset(dataset))
        photographer = None
        if screenshots is not None and run is not None:
            photographer = Photographer(window, screenshots, run, only=only)
            photographer.start()
        status = app.exec()
        if photographer is not None and photographer.failure:
            raise TeledeckError(
                photographer.failure,
                next_step="What was taken is in the folder; run it again on a quieter machine, or "
                "mend what the picture waits for",
            )
        return status
    finally:
        sys.excepthook = previous_hook
        if stopper is not None:
            stopper.setEnabled(False)


def _exception_hook(
    window: MainWindow,
) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """A hook that shows a mistake of ours in the window instead of ending it.

    A robot may be moving: the window must stay, and Escape with it.
    """

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.error("".join(traceback.format_exception(kind, error, trace)))
        where = traceback.extract_tb(trace)[-1] if trace is not None else None
        at = f" ({Path(where.filename).name}:{where.lineno})" if where is not None else ""
        window.say(Said(f"A mistake in the window: {error or kind.__name__}{at}", "fault"))

    return hook


def work(child: Child) -> None:
    """The window as a child of a run."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    priority.go_first(priority.WINDOW)
    signal.set_wakeup_fd(-1)
    options = child.options
    dataset, screenshots = options.get("dataset"), options.get("screenshots")
    with Session(child.run) as session:
        run_window(
            session,
            dataset=Path(dataset) if dataset else None,
            stop_fd=child.stop_fd,
            screenshots=Path(screenshots) if screenshots else None,
            run=child.run.path,
            only=str(options.get("only", "")),
        )


if __name__ == "__main__":
    sys.exit(run_child("window", work))
