"""What is named as a checkpoint and is none, told by what it is; what may run code above all.

No torch: a window asks this too, before it bothers anybody.
"""

from __future__ import annotations

from pathlib import Path

from devices.errors import PolicyError

POLICY_FILE = "policy.json"

CODE = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin", ".joblib", ".npy", ".npz", ".dill")
"""Endings of files whose opening may run code."""

SERVE = (
    "Serve it from its own environment with policies/serving/standalone.py and load the address "
    "ws://127.0.0.1:PORT (docs/policy-server.md), or train one here"
)
_WOULD = "opening it would run whatever code it holds, so it is refused"


def refuse_other(path: Path) -> None:
    """Return for a folder with `policy.json`, whatever else may be wrong with it.

    Raises:
        PolicyError: For anything else, saying what it is and what to name instead. It was not
            opened.
    """
    if path.suffix.lower() in CODE and not path.is_dir():
        raise PolicyError(f"{path} is a pickle, or may hold one: {_WOULD}", next_step=SERVE)
    if not path.exists():
        raise PolicyError(
            f"There is no checkpoint {path}",
            next_step="Check the path; the best checkpoint of a training is its folder 'best'",
        )
    if path.is_file():
        if looks_pickled(_beginning(path)):
            raise PolicyError(f"{path} is a pickle: {_WOULD}", next_step=SERVE)
        raise PolicyError(
            f"{path} is a file; a checkpoint is a folder with {POLICY_FILE}",
            next_step="Choose the folder of a checkpoint",
        )
    if not (path / POLICY_FILE).exists():
        _refuse_folder(path)


def looks_pickled(beginning: bytes) -> bool:
    """Whether bytes begin as a pickle does, or an archive with one in it."""
    pickled = beginning[:1] == b"\x80" and beginning[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    return pickled or beginning[:4] == b"PK\x03\x04"


def _refuse_folder(path: Path) -> None:
    """Raise for a folder without `policy.json`."""
    try:
        names = sorted(item.name for item in path.iterdir())
    except OSError as error:
        raise PolicyError(
            f"{path} cannot be read: {error.strerror}",
            next_step="Choose a folder that you may read",
        ) from error
    if "config.json" in names and "model.safetensors" in names:
        raise PolicyError(
            f"{path} is a LeRobot checkpoint: its configuration names classes, which are imported "
            "and called while it is loaded, so it is refused",
            next_step=SERVE,
        )
    if code := [name for name in names if Path(name).suffix.lower() in CODE]:
        raise PolicyError(
            f"{path} has no {POLICY_FILE}, but {code[0]}, a pickle: {_WOULD}", next_step=SERVE
        )
    what = f"{path} is no checkpoint: it has no {POLICY_FILE}"
    if inside := [name for name in ("best", "last") if (path / name / POLICY_FILE).exists()]:
        raise PolicyError(what, next_step=f"Choose {path / inside[0]}")
    if "plan.json" in names:
        raise PolicyError(
            f"{path} is a training that has no checkpoint yet",
            next_step="Wait for its first judgement, or watch it: each new best one is loaded then",
        )
    raise PolicyError(what, next_step="Choose the folder of a checkpoint")


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise PolicyError(
            f"{path} cannot be read: {error.strerror}", next_step="Choose a file that you may read"
        ) from error
