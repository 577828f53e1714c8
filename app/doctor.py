"""`teledeck doctor`: what this machine can do, and what to do about what is missing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil

from devices import plugins

Level = Literal["good", "note", "bad"]

# What a take needs on disk, from `python -m tests.benchmarks recorder`: three 640x480 cameras,
# two touch fields and the state. Only used for "time left" before the first take is measured.
TYPICAL_BYTES_PER_S = 2_000_000.0

# Where a TactAR headset posts; its app cannot be told another port.
TACTAR_PORT = 8082

_GL_PROBE = """
import os
os.environ["MUJOCO_GL"] = "egl"
import mujoco
from OpenGL import GL
context = mujoco.GLContext(64, 64)
context.make_current()
print(GL.glGetString(GL.GL_RENDERER).decode(), "|", GL.glGetString(GL.GL_VERSION).decode())
context.free()
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        level: good (works), note (works with less), bad (something will not work).
        topic: What was looked at.
        text: What was found.
        next_step: What to do about it; empty where nothing is to be done.
    """

    level: Level
    topic: str
    text: str
    next_step: str = ""


def examine(folder: Path) -> Iterator[Finding]:
    """All findings, in the order they are shown; slow ones last.

    Args:
        folder: Where takes would be stored; its disk is measured.
    """
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _software,
        _processor,
        _display,
        _opengl,
        _gpu,
        _shared_memory,
        _devices,
        _touch,
        _ports,
        _plugins,
        lambda: _disk(folder),
    )
    for check in checks:
        yield from check()


def _software() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("good", "Python", python)
    shown = ("teledeck", "mujoco", "PyQt6", "h5py", "av", "mink")
    yield Finding("good", "Packages", ", ".join(f"{name} {_version(name)}" for name in shown))
    torch = _version("torch")
    if torch == "missing":
        yield Finding(
            "note", "Training", "torch is not installed", "Only training needs it; see README"
        )
    else:
        yield Finding("good", "Training", f"torch {torch}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _processor() -> Iterator[Finding]:
    cores = psutil.cpu_count() or 1
    busy = psutil.cpu_percent(interval=0.2)
    memory = psutil.virtual_memory()
    text = (
        f"{cores} cores ({busy:.0f} % busy), "
        f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB memory free"
    )
    if cores < 2:
        yield Finding("bad", "Processor", text, "Two cores are the least for a good experience")
    elif busy > 70:
        yield Finding("note", "Processor", text, "Close other programs before recording")
    else:
        yield Finding("good", "Processor", text)


def has_display() -> bool:
    """Whether a window could open."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _display() -> Iterator[Finding]:
    if has_display():
        yield Finding("good", "Display", os.environ.get("DISPLAY") or os.environ["WAYLAND_DISPLAY"])
    else:
        yield Finding(
            "note",
            "Display",
            "none: the window cannot open here",
            "Use 'teledeck collect --headless', or set DISPLAY to an X server (Xvfb will do)",
        )


def _opengl() -> Iterator[Finding]:
    # In a process of its own: a broken driver may crash it.
    probe = subprocess.run(
        [sys.executable, "-c", _GL_PROBE], capture_output=True, text=True, timeout=60, check=False
    )
    if probe.returncode != 0:
        reason = (probe.stderr.strip().splitlines() or [f"exit {probe.returncode}"])[-1]
        yield Finding(
            "bad",
            "OpenGL",
            f"no off-screen rendering: {reason}",
            "Install libegl1 and a Mesa or vendor driver (apt-get install libegl1 libgl1-mesa-dri)",
        )
        return
    renderer = probe.stdout.strip()
    if any(word in renderer.lower() for word in ("llvmpipe", "softpipe", "swrast")):
        yield Finding(
            "note",
            "OpenGL",
            f"{renderer} (software)",
            "Works at reduced detail; a GPU with its driver gives full detail",
        )
    else:
        yield Finding("good", "OpenGL", renderer)


def _gpu() -> Iterator[Finding]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        yield Finding("note", "GPU", "no NVIDIA GPU seen", "Not needed; training will use the CPU")
        return
    query = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    if answer.returncode == 0:
        yield Finding("good", "GPU", answer.stdout.strip().replace("\n", "; "))
    else:
        first = (answer.stderr or answer.stdout).strip().splitlines()[:1]
        yield Finding("note", "GPU", f"nvidia-smi fails: {first}", "Mend the NVIDIA driver")


def _shared_memory() -> Iterator[Finding]:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        yield Finding("note", "Shared memory", "/dev/shm is absent: rings go to the temp folder")
        return
    free = shutil.disk_usage(folder).free
    needed = 512 * 2**20
    if free < needed:
        yield Finding(
            "bad",
            "Shared memory",
            f"{free / 2**20:.0f} MiB free in /dev/shm, {needed / 2**20:.0f} MiB needed",
            "In a container start it with a larger shared memory (--shm-size=1g)",
        )
    else:
        yield Finding("good", "Shared memory", f"{free / 2**30:.1f} GiB free")


def _devices() -> Iterator[Finding]:
    pads = sorted(Path("/dev/input").glob("js*")) if Path("/dev/input").is_dir() else []
    if not pads:
        yield Finding(
            "note",
            "Gamepad",
            "none seen",
            "Plug one in at any time; mouse and keyboard always work",
        )
    for pad in pads:
        name_file = Path("/sys/class/input") / pad.name / "device/name"
        name = name_file.read_text().strip() if name_file.is_file() else pad.name
        if os.access(pad, os.R_OK):
            yield Finding("good", "Gamepad", f"{name} ({pad})")
        else:
            yield Finding(
                "bad",
                "Gamepad",
                f"{name} ({pad}) may not be read",
                "Add yourself to its group: sudo usermod -aG input $USER, then log in again",
            )
    sound = _sound_card()
    if sound:
        yield Finding("good", "Sound", sound)
    else:
        yield Finding("note", "Sound", "no sound card: state is shown by border, text and colour")


def _sound_card() -> str:
    cards = Path("/proc/asound/cards")
    text = cards.read_text() if cards.is_file() else ""
    lines = [line.strip() for line in text.splitlines() if "]:" in line]
    return "; ".join(lines)


def _ports() -> Iterator[Finding]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", TACTAR_PORT))
        except OSError as error:
            yield Finding(
                "note",
                "Port",
                f"TCP {TACTAR_PORT} (headset) is taken: {error.strerror}",
                "Only a TactAR headset needs it; end the other program before you connect one",
            )
            return
    yield Finding("good", "Port", f"TCP {TACTAR_PORT} (headset) is free; nothing listens on it now")


def _touch() -> Iterator[Finding]:
    """Tactile cameras by their stable identity, and the embeddings that come along."""
    from devices.errors import ConfigError
    from devices.gelsight import basis
    from devices.gelsight.camera import found
    from devices.gelsight.kinds import KINDS

    for camera in found():
        sensor = "a camera; an MCTac looks the same" if camera.kind is None else camera.kind.name
        text = f"{camera.identity} ({sensor})"
        if os.access(camera.path, os.R_OK | os.W_OK):
            yield Finding("good", "Touch", text)
        else:
            yield Finding(
                "bad",
                "Touch",
                f"{text} may not be read",
                "Add yourself to its group: sudo usermod -aG video $USER, then log in again",
            )
    if not found():
        yield Finding(
            "note", "Touch", "no camera seen", "Not needed; the simulated pads feel without one"
        )
    for kind in KINDS:
        if not basis.path_of(kind).exists():
            continue
        try:
            transform = basis.own(kind)
        except ConfigError as error:
            yield Finding("bad", "Embedding", str(error), "Install Teledeck again")
        else:
            text = f"{kind.name}: {transform.components} components, {basis.path_of(kind)}"
            yield Finding("good", "Embedding", text)


def _plugins() -> Iterator[Finding]:
    for kind in ("robots", "scenes", "operators", "devices"):
        found, broken = plugins.survey(kind)  # type: ignore[arg-type]
        yield Finding("good", kind.capitalize(), ", ".join(found) or "none")
        for plugin in broken:
            yield Finding("bad", kind.capitalize(), plugin.reason, "It is skipped")


def _disk(folder: Path) -> Iterator[Finding]:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK):
        yield Finding(
            "bad",
            "Disk",
            f"'{existing}' may not be written",
            "Choose another folder: --dataset DIR",
        )
        return
    free = shutil.disk_usage(existing).free
    speed = _write_speed(existing)
    hours = free / TYPICAL_BYTES_PER_S / 3600
    text = f"{free / 2**30:.0f} GiB free at '{existing}' (about {hours:.0f} h of takes), {speed}"
    yield Finding(
        "good" if hours > 1 else "bad", "Disk", text, "" if hours > 1 else "Free some space"
    )


def _write_speed(folder: Path, size: int = 32 * 2**20) -> str:
    """Write and sync one file, tell the speed, remove it."""
    path = folder / f".teledeck-disk-probe-{os.getpid()}"
    block = os.urandom(2**20)
    try:
        start = time.monotonic()
        with path.open("wb") as file:
            for _ in range(size // len(block)):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        seconds = time.monotonic() - start
    except OSError as error:
        return f"writing fails: {error.strerror}"
    finally:
        path.unlink(missing_ok=True)
    return f"writes {size / seconds / 2**20:.0f} MiB/s with sync"
