"""Scene models: stored once, whole, whoever writes them at the same time."""

from __future__ import annotations

import threading
from pathlib import Path

from datasets.dataset import Dataset
from devices.errors import StorageError


def test_takes_that_begin_together_store_their_model_together(tmp_path: Path) -> None:
    """A take and the scratch take of a policy begin in two threads of one process."""
    dataset = Dataset.create(tmp_path / "set")
    failures: list[StorageError] = []
    for number in range(20):
        compiled = bytes([number]) * 200_000
        together = threading.Barrier(4)

        def store(compiled: bytes = compiled, together: threading.Barrier = together) -> None:
            together.wait()
            try:
                dataset.add_model(compiled)
            except StorageError as error:
                failures.append(error)

        threads = [threading.Thread(target=store) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, failures
        assert dataset.load_model(dataset.add_model(compiled)) == compiled
    assert len(list((dataset.root / "models").iterdir())) == 20, "no draft is left"
