"""Serves any Python policy to Teledeck from its own environment. Copy this one file there.

    python standalone.py my_policy.py --port 8000

`my_policy.py` defines `make()`, which returns an object with `offer` (a dict: name, needs, space,
see docs/policy-server.md), `infer(observation: dict) -> array (H, A)`, and, if its offer says
"resets", `reset(seed)`. Needs Python 3.9 and numpy, nothing else. Listens on this machine only.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib.util
import socket
import struct
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

LIMIT = 64 << 20  # bytes of one message
RESET = "teledeck_reset"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


# ------------------------------------------------------------------------------- MessagePack
def pack(value: Any) -> bytes:
    """Bytes of a value (msgpack specification); arrays as maps with the key b"__ndarray__"."""
    if value is None:
        return b"\xc0"
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        if 0 <= value < 128:
            return struct.pack("B", value)
        return b"\xd3" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        raw = value.encode()
        return b"\xdb" + struct.pack(">I", len(raw)) + raw
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise TypeError(f"an array of {value.dtype} cannot be sent")
        return pack(
            {
                b"__ndarray__": True,
                b"data": np.ascontiguousarray(value).tobytes(),
                b"dtype": value.dtype.str,
                b"shape": list(value.shape),
            }
        )
    if isinstance(value, (list, tuple)):
        return b"\xdd" + struct.pack(">I", len(value)) + b"".join(pack(one) for one in value)
    if isinstance(value, dict):
        parts = [pack(part) for item in value.items() for part in item]
        return b"\xdf" + struct.pack(">I", len(value)) + b"".join(parts)
    raise TypeError(f"a {type(value).__name__} cannot be sent")


class Unpacker:
    """Reads one value; raises ValueError for bytes that are none."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise ValueError("the message ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form: str) -> Any:
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def value(self, depth: int = 0) -> Any:
        if depth > 16:
            raise ValueError("the message nests too deep")
        code = self.take(1)[0]
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 256
        if code <= 0x8F:
            return self.mapping(code & 0x0F, depth)
        if code <= 0x9F:
            return self.sequence(code & 0x0F, depth)
        if code <= 0xBF:
            return self.take(code & 0x1F).decode()
        if code in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[code]
        if code in (0xC4, 0xC5, 0xC6):
            return self.take(self.number("BHI"[code - 0xC4]))
        if code in (0xCA, 0xCB):
            return self.number("fd"[code - 0xCA])
        if 0xCC <= code <= 0xD3:
            return self.number("BHIQbhiq"[code - 0xCC])
        if code in (0xD9, 0xDA, 0xDB):
            return self.take(self.number("BHI"[code - 0xD9])).decode()
        if code in (0xDC, 0xDD):
            return self.sequence(self.number("HI"[code - 0xDC]), depth)
        if code in (0xDE, 0xDF):
            return self.mapping(self.number("HI"[code - 0xDE]), depth)
        raise ValueError(f"unknown code {code:#x}")

    def sequence(self, count: int, depth: int) -> list[Any]:
        return [self.value(depth + 1) for _ in range(count)]

    def mapping(self, count: int, depth: int) -> Any:
        found: dict[Any, Any] = {}
        for _ in range(count):
            key = self.value(depth + 1)
            found[key.decode() if isinstance(key, bytes) else key] = self.value(depth + 1)
        if "__ndarray__" not in found:
            return found
        name = found["dtype"]
        dtype = np.dtype(name.decode() if isinstance(name, bytes) else name)
        if dtype.kind not in "biuf":
            raise ValueError(f"an array of {dtype}")
        return np.frombuffer(found["data"], dtype).reshape(found["shape"])


# --------------------------------------------------------------------------------- websocket
class Peer:
    """One connected client (RFC 6455). Only what a policy's client needs."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.rest = b""

    def read(self, count: int) -> bytes:
        while len(self.rest) < count:
            part = self.connection.recv(1 << 16)
            if not part:
                raise ConnectionError("the client is gone")
            self.rest += part
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def greet(self) -> bool:
        """Answer the HTTP request. False where it was only asked whether we live."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.read(1)
            if len(head) > 16384:
                raise ConnectionError("a request without end")
        lines = head.decode("latin-1").split("\r\n")
        fields = {
            line.split(":", 1)[0].strip().lower(): line.split(":", 1)[1].strip()
            for line in lines[1:]
            if ":" in line
        }
        if "/healthz" in lines[0]:
            self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nOK\n")
            return False
        key = fields.get("sec-websocket-key", "")
        if not key or "origin" in fields:  # a web page has no business here
            self.connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return False
        accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()
        self.connection.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        return True

    def receive(self) -> bytes:
        """The next message."""
        message = b""
        while True:
            first, second = self.read(2)
            length = second & 0x7F
            if length == 126:
                length = struct.unpack(">H", self.read(2))[0]
            elif length == 127:
                length = struct.unpack(">Q", self.read(8))[0]
            if not second & 0x80 or len(message) + length > LIMIT:
                raise ConnectionError("a frame that is not masked, or too large")
            mask = self.read(4)
            data = np.frombuffer(self.read(length), np.uint8)
            keys = np.resize(np.frombuffer(mask, np.uint8), length)
            payload, kind = (data ^ keys).tobytes(), first & 0x0F
            if kind == 8:
                raise ConnectionError("the client said goodbye")
            if kind == 9:
                self.send(payload, 10)
            if kind in (0, 1, 2):
                message += payload
                if first & 0x80:
                    return message

    def send(self, payload: bytes, kind: int = 2) -> None:
        size = len(payload)
        head = struct.pack("B", 0x80 | kind)
        if size < 126:
            head += struct.pack("B", size)
        elif size < 1 << 16:
            head += struct.pack(">BH", 126, size)
        else:
            head += struct.pack(">BQ", 127, size)
        self.connection.sendall(head + payload)


def serve(policy: Any, port: int) -> None:
    """Serve one policy until interrupted; clients take turns."""
    lock = threading.Lock()
    server = socket.create_server(("127.0.0.1", port))
    sys.stdout.write(f"Serving on ws://127.0.0.1:{server.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_talk, args=(connection, policy, lock), daemon=True).start()


def _talk(connection: socket.socket, policy: Any, lock: threading.Lock) -> None:
    peer = Peer(connection)
    with connection:
        try:
            if not peer.greet():
                return
            peer.send(pack({"teledeck": {"version": 1, **policy.offer}}))
            while True:
                request = Unpacker(peer.receive()).value()
                began = time.monotonic()
                with lock:
                    answer = _answer(policy, request)
                answer["server_timing"] = {"infer_ms": 1e3 * (time.monotonic() - began)}
                peer.send(pack(answer))
        except (ConnectionError, OSError):
            return
        except Exception:  # noqa: BLE001 - the policy is somebody else's; its client hears of it
            sys.stderr.write(traceback.format_exc())
            try:
                peer.send(traceback.format_exc().encode(), 1)
                peer.send(struct.pack(">H", 1011), 8)
            except OSError:
                return


def _answer(policy: Any, request: dict[str, Any]) -> dict[str, Any]:
    if request.get(RESET):
        if hasattr(policy, "reset"):
            policy.reset(request.get("seed"))
        return {"reset": True}
    return {"actions": np.asarray(policy.infer(request), dtype=np.float32)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("policy", type=Path, help="a Python file that defines make()")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    spec = importlib.util.spec_from_file_location("served_policy", arguments.policy)
    if spec is None or spec.loader is None:
        parser.error(f"{arguments.policy} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(arguments.policy.resolve().parent))
    spec.loader.exec_module(module)
    try:
        serve(module.make(), arguments.port)
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
