"""Pictures as H.264 packets: exactly one packet a row, any row soon decoded.

No B-frames and no look-ahead, so that a packet comes out for every frame that goes in and no
picture can drift from its row. Each group of pictures carries its own parameter sets: any key
frame is a place to begin. Packets have no time of their own; the row's `t_ns` is the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.codeccontext import VideoCodecContext

from devices.errors import StorageError

ImageArray = npt.NDArray[np.uint8]

CODEC = "h264"
GROUP = 10
"""Frames from one key frame to the next: the most that a random access decodes."""

_QUALITY = 23
_QUIET = "log-level=error"


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded picture.

    Attributes:
        data: H.264 in Annex B form.
        keyframe: Whether decoding can begin here.
    """

    data: bytes
    keyframe: bool


class VideoEncoder:
    """Frames in, packets out, one for one. Not thread-safe; PyAV releases the GIL.

    Args:
        width, height: Size of every frame [px]; both even.
        rate_hz: Nominal rate, which only guides the encoder [Hz].
        group: Frames from key frame to key frame.

    Raises:
        StorageError: For an odd size, or when PyAV was built without x264.
    """

    def __init__(self, width: int, height: int, rate_hz: float, group: int = GROUP) -> None:
        if width % 2 or height % 2:
            raise StorageError(
                f"Pictures of {width} x {height} pixels cannot be stored as H.264",
                next_step="Use an even width and height",
            )
        self._shape = (height, width, 3)
        try:
            context = av.CodecContext.create("libx264", "w")
        except av.codec.codec.UnknownCodecError as error:
            raise StorageError(
                "This PyAV was built without x264, so pictures cannot be stored",
                next_step="Install the 'av' wheel from the package index",
            ) from error
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = width, height
        context.pix_fmt = "yuv420p"
        rate = Fraction(rate_hz).limit_denominator(1000)
        context.time_base = 1 / rate
        context.framerate = rate
        context.thread_count = 1
        context.gop_size = group
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "crf": str(_QUALITY),
            "x264-params": f"bframes=0:scenecut=0:keyint={group}:{_QUIET}",
        }
        self._context = context
        self._count = 0

    def encode(self, rgb: ImageArray) -> Packet:
        """The packet of one frame.

        Args:
            rgb: Shape (height, width, 3), uint8.

        Raises:
            StorageError: For a frame of another shape, or when the encoder did not answer with
                exactly one packet.
        """
        if rgb.shape != self._shape or rgb.dtype != np.uint8:
            raise StorageError(
                f"A frame is {rgb.shape} {rgb.dtype}", allowed=[f"{self._shape} uint8"]
            )
        # OpenCV's conversion takes a quarter of the time of swscale's; both are BT.601, limited.
        planes = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = self._count
        self._count += 1
        packets = self._context.encode(frame)
        if len(packets) != 1:
            raise StorageError(f"The encoder answered one frame with {len(packets)} packets")
        return Packet(bytes(packets[0]), bool(packets[0].is_keyframe))


class VideoDecoder:
    """Packets in, frames out, one for one, beginning with a key frame."""

    def __init__(self) -> None:
        context = av.CodecContext.create(CODEC, "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1
        self._context = context

    def skip(self, packet: bytes) -> None:
        """Decode a picture that only the next ones need."""
        self._decoded(packet)

    def decode(self, packet: bytes) -> ImageArray:
        """The picture of one packet: shape (height, width, 3), RGB.

        Raises:
            StorageError: If the packet does not give exactly one picture.
        """
        planes = self._decoded(packet).to_ndarray()
        return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420), dtype=np.uint8)

    def _decoded(self, packet: bytes) -> av.VideoFrame:
        try:
            frames = self._context.decode(av.Packet(packet))
        except av.error.FFmpegError as error:
            raise StorageError(f"A picture cannot be decoded: {error}") from error
        if len(frames) != 1:
            raise StorageError(f"One packet gave {len(frames)} pictures")
        return frames[0]


class PacketStore:
    """Where a `FrameReader` gets its packets."""

    def keyframe_at_or_before(self, row: int) -> int:
        raise NotImplementedError

    def packets(self, first: int, last: int) -> Sequence[bytes]:
        """Packets of the rows first ... last, both included."""
        raise NotImplementedError


class FrameReader:
    """Random access to the pictures of one stream.

    Remembers where the decoder stands, so that playing on costs one decoding a row, and keeps the
    last pictures, so that stepping back within them costs none.

    Args:
        store: The packets.
        keep: How many pictures to keep in memory.
    """

    def __init__(self, store: PacketStore, keep: int = 2 * GROUP) -> None:
        self._store = store
        self._keep = keep
        self._decoder = VideoDecoder()
        self._next_row = -1
        self._kept: dict[int, ImageArray] = {}

    def frame(self, row: int) -> ImageArray:
        """The picture of one row: (height, width, 3), read-only."""
        kept = self._kept.pop(row, None)
        if kept is None:
            kept = self._decode(row)
        self._kept[row] = kept
        while len(self._kept) > self._keep:
            self._kept.pop(next(iter(self._kept)))
        return kept

    def _decode(self, row: int) -> ImageArray:
        key = self._store.keyframe_at_or_before(row)
        first = self._next_row if key <= self._next_row <= row else key
        if first == key:
            self._decoder = VideoDecoder()
        self._next_row = -1  # a failure below leaves the decoder nowhere
        packets = self._store.packets(first, row)
        for packet in packets[:-1]:
            self._decoder.skip(packet)
        picture = self._decoder.decode(packets[-1])
        picture.flags.writeable = False
        self._next_row = row + 1
        return picture
