"""The recorder: every row once, in order, and whatever breaks ends the take, never the recorder."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from app.runtime.requests import Arm, Discard, Keep, OpenDataset, Pause, Ping, Restart, Start, Stop
from app.runtime.synthetic_cameras import draw_code, read_code
from datasets.journal import Journal
from datasets.lock import is_held
from datasets.reader import Episode
from datasets.repair import repair
from tests.runtime.studio import PATIENCE_S, Studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    (tmp_path / "run").mkdir()
    with Studio(tmp_path, run_base=tmp_path / "run") as studio:
        yield studio


def closed(studio: Studio, uid: str) -> Episode:
    """The episode, once its file is closed."""
    path = studio.dataset.episode_path(uid)
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists() or is_held(path):
        assert time.monotonic() < deadline, f"{uid} was never closed"
        time.sleep(0.02)
    return Episode.open(path)


def delete(folder: Path) -> None:
    """As a person does who is told "not empty": the recorder may be making a file in it."""
    for _ in range(10):
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
            return
    raise AssertionError(f"{folder} came back ten times")


def numbers(episode: Episode, stream: str) -> np.ndarray:
    """Every synthetic row carries its number; a picture shows it."""
    if stream in episode.cameras:
        rows = len(episode[stream])
        return np.array([read_code(frame) for frame in episode.frames(stream, np.arange(rows))])
    return episode[stream].values.reshape(len(episode[stream]), -1)[:, 0]


def test_a_take_from_arm_to_keep(studio: Studio) -> None:
    studio.open(target=5)
    assert "idle" in studio.refused(Start("wipe"))
    studio.ask(Arm())
    armed = studio.until(lambda status: status.state == "armed")
    studio.until(lambda status: status.t_ns > armed.t_ns + 5e8)
    uid = studio.ask(Start("wipe")).uid
    studio.until(lambda status: status.rows > 2000 and status.elapsed_s > 0.8)
    studio.ask(Pause(True))
    paused = studio.until(lambda status: status.state == "paused")
    later = studio.until(lambda status: status.t_ns > paused.t_ns + 3e8)
    assert later.elapsed_s == pytest.approx(paused.elapsed_s)
    studio.ask(Pause(False))
    resumed_rows = later.rows
    studio.until(lambda status: status.rows > resumed_rows + 500)
    assert "recording" in studio.refused(Keep("success"))
    assert studio.ask(Stop()).uid == uid
    assert studio.ask(Keep("success", "well done")).uid == uid
    status = studio.until(lambda status: status.state == "idle")
    assert (status.kept, status.take, status.target, status.fault) == (1, 1, 5, False)

    with closed(studio, uid) as episode:
        assert episode.stop["how"] == "stopped" and not episode.interrupted
        (pause,) = [event for event in episode.events if event.data.get("paused")]
        resume_ns = pause.t_ns + pause.data["seconds"] * 1e9
        for stream in episode:
            seen = numbers(episode, stream)
            jumps = np.flatnonzero(np.diff(seen) != 1)
            assert len(jumps) == 1, stream  # the pause, and nothing else
            t_ns = episode[stream].t_ns
            assert np.all(np.diff(t_ns) > 0)
            assert t_ns[jumps[0]] <= pause.t_ns + 1e6 and t_ns[jumps[0] + 1] >= resume_ns - 1e6
        state = episode["sim/state"].t_ns
        assert state[0] - episode.start["t_ns"] < 4e6, "the pre-roll begins where it was armed"
        assert episode.start["task"] == "wipe" and episode.start["operator"] == "ada"
        assert episode.start["versions"]["mujoco"]
        (achieved,) = [event for event in episode.events if event.text == "Achieved rates"]
        assert achieved.data["sim/state"]["missed"] == 0
    verdict = Journal(studio.dataset.journal).state.of(uid)
    assert verdict.verdict == "success" and verdict.judged


def test_the_next_take_may_start_at_once_and_discarding_can_be_undone(studio: Studio) -> None:
    studio.open()
    uids = []
    for _ in range(3):
        uids.append(studio.start())
        studio.ask(Stop())
        studio.ask(Keep("failure"))
    running = studio.start()
    studio.ask(Discard())
    stopped = studio.start()
    studio.ask(Stop())
    studio.ask(Discard())
    for uid in (*uids, running, stopped):
        with closed(studio, uid) as episode:
            assert np.all(np.diff(numbers(episode, "left_arm/q")) == 1)
            assert np.all(np.diff(numbers(episode, "front/rgb")) == 1)
    journal = Journal(studio.dataset.journal)
    assert all(journal.state.of(uid).judged for uid in uids)
    assert journal.state.of(running).deleted and journal.state.of(stopped).deleted
    journal.undo()
    assert not journal.state.of(stopped).deleted


def test_practice_saves_nothing(studio: Studio) -> None:
    studio.start(practice=True)
    studio.ask(Stop())
    studio.ask(Keep("success"))
    studio.start(practice=True)
    studio.ask(Discard())
    assert not (studio.base / "data").exists()


def test_without_a_dataset_or_with_a_foreign_one_it_says_what_to_do(studio: Studio) -> None:
    studio.ask(Arm())
    assert "No dataset is open" in studio.refused(Start("wipe"))
    foreign = studio.base / "foreign"
    foreign.mkdir()
    (foreign / "holiday.txt").touch()
    assert "foreign" in studio.refused(OpenDataset(str(foreign), "wipe"))
    (studio.base / "file").touch()
    assert "file" in studio.refused(OpenDataset(str(studio.base / "file"), "wipe"))


def test_an_unplugged_camera_ends_the_take_in_red_and_the_next_one_records(studio: Studio) -> None:
    studio.open()
    uid = studio.start()
    studio.kill("cameras")
    status = studio.until(lambda status: status.state == "failed")
    assert status.fault and "/rgb' ended" in status.text
    assert "failed" in studio.refused(Keep("success"))
    with closed(studio, uid) as episode:
        assert episode.stop["how"] == "failed" and "/rgb" in episode.stop["why"]
        assert np.all(np.diff(numbers(episode, "front/rgb")) == 1)
    studio.ask(Arm())
    started = studio.ask(Start("wipe"))
    assert "without front/rgb, wrist/rgb" in started.text
    studio.until(lambda status: status.rows > 200)
    studio.ask(Stop())
    with closed(studio, started.uid) as episode:
        assert episode.cameras == ()


def test_a_deleted_folder_ends_the_take_in_red(studio: Studio) -> None:
    studio.open()
    kept = studio.start()
    studio.ask(Stop())
    studio.ask(Keep("success"))
    closed(studio, kept).close()
    before = studio.dataset.episode_path(kept).read_bytes()
    backup = studio.base / "backup.h5"
    shutil.copy(studio.dataset.episode_path(kept), backup)
    studio.start()
    delete(studio.base / "data")
    status = studio.until(lambda status: status.state == "failed")
    assert status.fault and str(studio.base / "data") in status.text
    assert backup.read_bytes() == before
    assert "data" in studio.refused(Discard())  # the journal is gone too; nothing pretends
    studio.ask(Arm())
    again_ns = time.monotonic_ns()
    studio.ask(Start("wipe"))
    studio.until_after(again_ns, "failed")
    studio.open()
    studio.start()
    studio.ask(Stop())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_ends_the_take_in_red(studio: Studio) -> None:
    studio.open()
    studio.dataset.episodes.chmod(0o500)
    studio.ask(Arm())
    studio.ask(Start("wipe"))
    status = studio.until(lambda status: status.state == "failed")
    studio.dataset.episodes.chmod(0o700)
    assert status.fault and "cannot be made" in status.text


def test_a_dead_station_ends_the_take_and_a_restarted_one_is_recorded(studio: Studio) -> None:
    studio.open()
    studio.start()
    studio.kill("station")
    status = studio.until(lambda status: status.state == "failed")
    assert "is gone" in status.text
    studio.supervisor.start("station")
    studio.supervisor.wait_until_answers("station", PATIENCE_S)
    studio.until(lambda status: sum(health.rate_hz > 100 for health in status.streams) == 9)
    uid = studio.start()
    studio.ask(Stop())
    with closed(studio, uid) as episode:
        assert np.all(np.diff(numbers(episode, "sim/state")) == 1)


def test_a_killed_recorder_costs_half_a_second_and_nothing_else(studio: Studio) -> None:
    studio.open()
    first = studio.start()
    studio.ask(Stop())
    studio.ask(Keep("success"))
    closed(studio, first).close()
    untouched = studio.dataset.episode_path(first).read_bytes()
    for rows in (300, 2500):
        uid = studio.start(rows=rows)
        studio.until(lambda status: status.elapsed_s > 0.8)
        killed_ns = time.monotonic_ns()
        studio.kill("recorder")
        studio.until_after(killed_ns, "idle")
        path = studio.dataset.episode_path(uid)
        repair(path)
        with Episode.open(path) as episode:
            assert episode.interrupted
            for stream in ("sim/state", "left_inner_pad/tactile", "front/rgb"):
                assert np.all(np.diff(numbers(episode, stream)) == 1)
            assert killed_ns - episode["sim/state"].t_ns[-1] < 1.0e9  # half a second, and load
        assert studio.status is not None and studio.status.fault
        assert studio.status.dataset == str(studio.base / "data")
        assert "started again" in studio.status.text
    assert studio.dataset.episode_path(first).read_bytes() == untouched


def test_closing_everything_during_a_take_keeps_it_as_interrupted(studio: Studio) -> None:
    studio.open()
    uid = studio.start()
    dataset = studio.dataset
    studio.close()
    with Episode.open(dataset.episode_path(uid)) as episode:
        assert episode.stop["how"] in ("interrupted", "failed")
        assert np.all(np.diff(numbers(episode, "left_arm/q")) == 1)
    assert studio.supervisor.crashes == []


def test_an_orphaned_recorder_saves_the_take_and_ends(studio: Studio) -> None:
    studio.open()
    uid = studio.start()
    dataset = studio.dataset
    recorder = studio.supervisor._running["recorder"]
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), recorder._lifeline)  # as if the supervisor had been killed
    studio.supervisor.step(0.0)
    deadline = time.monotonic() + PATIENCE_S
    while "recorder" in studio.supervisor.alive and time.monotonic() < deadline:
        studio.supervisor.step(0.05)
    with Episode.open(dataset.episode_path(uid)) as episode:
        assert episode.stop["how"] == "interrupted"
        assert "supervisor is gone" in episode.stop["why"]


def test_garbage_on_every_socket_harms_nobody(studio: Studio) -> None:
    studio.open()
    uid = studio.start()
    run = studio.supervisor.run
    with zmq.Context() as context:
        for path in sorted(run.path.iterdir()):
            if path.suffix not in (".req", ".status", ".input"):
                continue
            kind = {".req": zmq.REQ, ".status": zmq.SUB, ".input": zmq.PUSH}[path.suffix]
            with context.socket(kind) as raw, socket.socket(socket.AF_UNIX) as plain:
                raw.linger = 0
                raw.connect(f"ipc://{path}")
                plain.connect(str(path))
                plain.sendall(b"\xff\x00GET / HTTP/1.1\r\n\r\n" * 50)
                if kind != zmq.SUB:
                    raw.send(b"\x93\x01\x02\xc1 nonsense", zmq.NOBLOCK)
                while kind == zmq.REQ and not raw.poll(10):
                    studio.supervisor.step(0.01)
    studio.until(lambda status: status.state == "recording" and status.rows > 1000)
    studio.ask(Ping())
    studio.ask(Stop())
    with closed(studio, uid) as episode:
        assert np.all(np.diff(numbers(episode, "left_arm/q")) == 1)
    assert set(studio.supervisor.alive) == {"station", "cameras", "recorder"}


def test_what_the_recorder_has_no_use_for_is_refused(studio: Studio) -> None:
    assert "no Restart" in studio.refused(Restart("station"))


@pytest.mark.parametrize("number", [0, 1, 4095, 4096, 123_456, 2**24 - 1])
def test_pictures_carry_their_number(number: int) -> None:
    picture = np.zeros((64, 96, 3), dtype=np.uint8)
    draw_code(picture, number)
    assert read_code(picture) == number


def test_events_of_the_station_go_into_the_take(studio: Studio) -> None:
    studio.open()
    uid = studio.start()
    # The supervisor's events reach the recorder too; a crash of another child is such an event.
    studio.kill("cameras")
    studio.until(lambda status: status.state == "failed")
    with closed(studio, uid) as episode:
        assert any("cameras" in event.text for event in episode.events if event.kind == "fault")
