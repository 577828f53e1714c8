"""An episode is readable without Teledeck: plain h5py and PyAV in a process of their own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from datasets.dataset import Dataset
from tests.data.conftest import Record
from tests.data.crashing import REPOSITORY

_READER = """
import json, sys
import av, h5py, numpy as np

rows, numbers = {}, []
with h5py.File(sys.argv[1]) as file:
    start, stop = json.loads(file.attrs["start"]), json.loads(file.attrs["stop"])
    events = [json.loads(line) for line in file["events"][:].tobytes().splitlines()]
    def visit(name, group):
        if isinstance(group, h5py.Group) and "t_ns" in group:
            t_ns, data = group["t_ns"][:], group["data"][:]
            assert len(t_ns) == len(data) and (np.diff(t_ns) > 0).all()
            assert group.attrs["name"] == name and group.attrs["rate_hz"] > 0
            rows[name] = len(t_ns)
            if group.attrs["kind"] != "image":
                assert (data.reshape(len(data), -1) == np.arange(len(data))[:, None]).all()
                return
            packets, decoder = group["packets"][:], av.CodecContext.create("h264", "r")
            assert group["packets"].attrs["codec"] == "h264"
            for offset, size, keyframe in data:
                (frame,) = decoder.decode(av.Packet(packets[offset:offset + size].tobytes()))
                grey = frame.to_ndarray(format="gray")
                blocks = grey[grey.shape[0] // 8::grey.shape[0] // 4,
                              grey.shape[1] // 8::grey.shape[1] // 4].reshape(-1) > 127
                numbers.append(int((blocks.astype(int) << np.arange(16)).sum()))
    file["streams"].visititems(visit)
assert numbers == list(range(rows["front/rgb"])) and len(numbers) > 20
assert not any(name.split(".")[0] in ("datasets", "devices") for name in sys.modules)
print(json.dumps({"rows": rows, "task": start["task"], "how": stop["how"], "events": len(events)}))
"""


def run(code: str, path: Path, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(path)],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_plain_h5py_and_av_read_everything(
    dataset: Dataset, record: Record, tmp_path: Path
) -> None:
    told = json.loads(run(_READER, dataset.episode_path(record(1.0)), tmp_path))
    assert told == {
        "rows": {"left_arm/q": 500, "left_inner_pad/tactile": 125, "front/rgb": 30},
        "task": "wipe",
        "how": "stopped",
        "events": 0,
    }


def test_the_example_in_the_documentation_works(
    dataset: Dataset, record: Record, tmp_path: Path
) -> None:
    page = (REPOSITORY / "docs" / "episode-format.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 1
    path = dataset.episode_path(record(1.0))
    (tmp_path / "episode.h5").write_bytes(path.read_bytes())
    told = run(examples[0], path, tmp_path)
    assert "(500, 7)" in told and "(48, 64, 3)" in told and "wipe" in told
