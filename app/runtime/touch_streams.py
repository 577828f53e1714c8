"""What is published of a pad that feels: the streams, and one sample as a row of each.

For the touch process of a station and for rollouts on a clock that is stepped, which so tell the
same of the same field.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from devices.feel import READING
from devices.feel_hand import Felt, HandFeel
from devices.gelsight.pca import Transform
from devices.stream import StreamSpec


def pad_specs(
    pad: str, markers: int, rate_hz: float, transform: Transform | None
) -> Mapping[str, StreamSpec]:
    """The streams of a pad by what they tell: "deformation", "reading", "markers", and "pca" where
    there is an embedding.

    Args:
        markers: Number of markers of its gel.
        rate_hz: Nominal rate [Hz].
        transform: The embedding, or None.
    """
    shapes: dict[str, tuple[tuple[int, ...], str, str, str]] = {
        "deformation": ((markers, 3), "float32", "m", f"{pad}_pad"),
        "reading": ((len(READING),), "float64", "mixed", f"{pad}_pad"),
        "markers": ((markers, 2), "float32", "1", "picture"),
    }
    if transform is not None:
        shapes["pca"] = ((transform.components,), "float32", "1", "")
    return {
        name: StreamSpec(f"{pad}_pad/{name}", shape, dtype, unit, frame, rate_hz, kind="touch")
        for name, (shape, dtype, unit, frame) in shapes.items()
    }


def pad_rows(
    pad: str, hand: HandFeel, felt: Felt, transform: Transform | None
) -> Mapping[str, npt.NDArray[np.floating]]:
    """One sample of a pad as a row of each of its streams, what is drawn first.

    Args:
        hand: Whose pad it is; it has been updated with `felt`.
    """
    rows = {
        "deformation": hand.shown(pad, felt),
        "reading": hand.row(pad, felt),
        "markers": felt.offsets,
    }
    if transform is not None:
        rows["pca"] = transform.embed(felt.offsets)
    return rows
