"""`teledeck collect --headless --fast`: scripted takes in simulated time, without processes.

The same streams at the same simulated times as a take of the station, but no pictures and nobody
watching: for training data by the hundred.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.rollout.arena import Arena, ScriptedDriver
from app.rollout.sink import EpisodeSink
from app.runtime.station_file import StationFile
from datasets.dataset import Dataset
from datasets.journal import Journal
from devices.leaders.scripted import push_specs
from devices.mapping.chain import CONTROL_HZ

TAKE_LIMIT_S = 120.0


def fast_collect(
    station: StationFile,
    folder: Path,
    *,
    takes: int,
    touch: bool = True,
    perturb: str | None = None,
    wander: bool = False,
    say: Callable[[str], None] = print,
) -> int:
    """Record `takes` scripted takes as fast as the machine can. Returns the exit status.

    Args:
        station: Robot, scene and first seed.
        folder: Dataset to record into; made if missing.
        takes: How many.
        touch: Whether the operator reacts to what it feels.
        perturb: Perturbation to trigger in every take, None for none.
        wander: Whether the operator's hands are pushed now and then (`devices.operators.wander`).
            When and how far is told by `leader/S_push`; nobody trains on what a push did.
        say: Where progress goes, a line at a time.

    Raises:
        ConfigError: For an unknown scene or perturbation, or a wandering operator that would not
            come back.
        StorageError: When the dataset cannot be written.
    """
    arena = Arena(station.scene, station.robot)
    driver = ScriptedDriver(station.scene, touch=touch, wander=wander)
    specs = (*arena.specs, *(push_specs(CONTROL_HZ) if wander else ()))
    dataset = Dataset.open_or_create(folder)
    journal = Journal(dataset.journal, by="scene")
    model = dataset.add_model(arena.compiled())
    say(f"Simulating {takes} scripted takes into {folder}, without pictures")
    kept = 0
    for seed in range(station.seed, station.seed + takes):
        about = {
            "task": arena.scene.instruction,
            "operator": driver.name,
            "instruction": arena.scene.instruction,
            "scene": station.scene,
            "robot": station.robot,
            "seed": seed,
            "leader": driver.name,
            "perturb": perturb or "",
            "wander": wander,
            "force_band": arena.scene.force_band,
            "model": model,
        }
        sink = EpisodeSink(dataset, specs, arena.clock, about)
        try:
            outcome = arena.run(driver, seed, perturb=perturb, limit_s=TAKE_LIMIT_S, sink=sink)
            sink.stop("The script has ended")
        except BaseException:
            sink.abandon()
            raise
        verdict = "success" if outcome.success else "failure"
        journal.verdict(sink.uid, verdict, "judged by the scene")  # type: ignore[arg-type]
        kept += outcome.success
        say(
            f"  seed {seed:<6} {verdict:<8} progress {100 * outcome.progress:3.0f} %  "
            f"{outcome.sim_s:5.1f} s in {outcome.wall_s:5.1f} s  {sink.uid}"
        )
    say(f"{takes} takes, {kept} successes in {folder}")
    return 0
