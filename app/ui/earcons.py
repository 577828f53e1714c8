"""Four short sounds, computed: ready, recording, kept, fault. No Qt here."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from devices.stream import FloatArray

Earcon = Literal["ready", "recording", "kept", "fault"]
EARCONS: tuple[Earcon, ...] = get_args(Earcon)

RATE_HZ = 44_100


@dataclass(frozen=True, slots=True)
class Note:
    """One tone. `pitch_hz` glides to `to_hz`; `start_s` and `length_s` in seconds."""

    pitch_hz: float
    start_s: float
    length_s: float
    to_hz: float | None = None
    buzz: float = 0.0


# Told apart by contour first (same, rising, arpeggio, falling), since pitch alone is not: one note;
# two rising notes; a three-note major chord; a falling rough tone. All end within 0.3 s.
NOTES: dict[Earcon, tuple[Note, ...]] = {
    "ready": (Note(659.3, 0.0, 0.16),),
    "recording": (Note(587.3, 0.0, 0.11), Note(880.0, 0.10, 0.17)),
    "kept": (Note(523.3, 0.0, 0.14), Note(659.3, 0.07, 0.14), Note(784.0, 0.14, 0.15)),
    "fault": (Note(392.0, 0.0, 0.28, to_hz=185.0, buzz=0.6),),
}


def samples(earcon: Earcon) -> FloatArray:
    """The sound as amplitudes in [-1, 1], mono at RATE_HZ, shape (n,)."""
    notes = NOTES[earcon]
    length = max(note.start_s + note.length_s for note in notes)
    sound = np.zeros(round(length * RATE_HZ))
    for note in notes:
        n = round(note.length_s * RATE_HZ)
        t = np.arange(n) / RATE_HZ
        pitch = np.linspace(note.pitch_hz, note.to_hz or note.pitch_hz, n)
        phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
        tone = np.sin(phase) + 0.25 * np.sin(2 * phase) + note.buzz * np.sin(3.02 * phase)
        attack = np.clip(t / 0.006, 0, 1)
        decay = np.exp(-3.5 * t / note.length_s) * np.clip((note.length_s - t) / 0.02, 0, 1)
        first = round(note.start_s * RATE_HZ)
        sound[first : first + n] += tone * attack * decay
    return 0.35 * sound / np.max(np.abs(sound))


def wav_bytes(earcon: Earcon) -> bytes:
    """The sound as a 16-bit mono WAV file."""
    pcm = np.round(samples(earcon) * 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(pcm.tobytes())
    return file.getvalue()
