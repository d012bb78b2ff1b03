"""Arrays of a state in its file: their shapes, types and values, and those of the format before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.transitions import RULES
from aiida_cse.reduction.config import ALL_ATOMS, ReductionConfig

__all__ = ["check_layout", "check_sums", "check_values", "from_format_3", "sized_arrays", "snapshot_frames"]

Arrays = Mapping[str, NDArray[Any]]


def snapshot_frames(config: ReductionConfig, start: int, stop: int) -> range:
    """Return the numbers of the snapshots among the frames."""
    stride = config.snapshot_frames
    return range(-(-start // stride) * stride, stop, stride)


def sized_arrays(
    config: ReductionConfig, start: int, stop: int, ions: int
) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and type of the arrays whose size follows from the configuration and the range of frames."""
    blocks = -(-stop // config.block_frames) - start // config.block_frames
    frames, species = stop - start, len(config.ions)
    streams = {
        f"stream_{name}": ((blocks, len(config.labels), config.stream_grid(name).bins), "int64")
        for name in config.streams
    }
    return streams | {
        "point_histograms": ((blocks, species, config.bins), "int64"),
        "region_counts": ((frames, species, len(REGION_NAMES)), "int32"),
        "centres": ((frames,), "float64"),
        "edges": ((frames, 3), "float64"),
        "snapshot_bins": ((len(snapshot_frames(config, start, stop)), ions), "int32"),
    }


def from_format_3(arrays: Arrays, config: ReductionConfig) -> dict[str, NDArray[Any]]:
    """Return the arrays of today that a file of format 3 holds under other names, or not at all."""
    lengths = arrays["lengths"]
    area = np.broadcast_to(config.box[:2], (len(lengths), 2))
    return {
        f"stream_{ALL_ATOMS}": arrays["histograms"],
        "edges": np.column_stack([area, lengths]),
        "sources": np.frombuffer(b"[]", np.uint8),
    }


def check_layout(arrays: Arrays, config: ReductionConfig, start: int, stop: int) -> None:
    """Refuse arrays of a file whose shapes or types do not fit its configuration and range of frames.

    The compiled loops use layers and blocks of the last samples as indices without checking them.
    """
    ions = sum(config.ion_counts.values())
    layout = sized_arrays(config, start, stop, ions)
    for prefix in (*RULES, *(f"core_{scale}" for scale in config.core_scales)):
        layout |= {f"{prefix}_{name}": ((ions,), "int8") for name in ("first_labels", "last_labels")}
        layout[f"{prefix}_first_frames"] = ((ions,), "int64")
        layout[f"{prefix}_events"] = ((len(arrays[f"{prefix}_events"]), 4), "int64")
    layers = sum(len(species.layers) for species in config.ions.values())
    sums = (layout["point_histograms"][0][0], layers, len(config.lags))
    head, tail = len(arrays["displacement_head"]), len(arrays["displacement_tail_frames"])
    layout |= {
        "displacement_counts": (sums, "int64"),
        "displacement_sums": ((*sums, 3), "int64"),
        "displacement_squares": ((*sums, 3), "int64"),
        "displacement_head": ((head, 3, ions), "int32"),
        "displacement_tail_frames": ((tail,), "int64"),
        "displacement_tail_positions": ((tail, 3, ions), "int32"),
        "displacement_tail_layers": ((tail, ions), "int16"),
    }
    for name, (shape, dtype) in layout.items():
        found = arrays[name]
        if found.shape != shape or found.dtype != dtype:
            raise ValueError(
                f"{name} is {found.dtype} of shape {found.shape}, but {ions} ions in {stop - start} frames "
                f"need {dtype} of shape {shape}"
            )
    if max(head, tail) > max(config.lag_samples, default=0):
        raise ValueError(f"has {max(head, tail)} samples of displacements, more than the longest lag spans")


def check_values(arrays: Arrays, config: ReductionConfig, start: int, stop: int) -> None:
    """Refuse values that no reduction gives; shapes and types must be those of :func:`check_layout`."""
    counts = [f"stream_{name}" for name in config.streams]
    counts += ["point_histograms", "region_counts", "displacement_counts", "displacement_squares"]
    for name in counts:
        _check_range(name, arrays[name], 0, None)
    for name in ("centres", "edges"):
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} has a value that is not finite")
    if not (arrays["edges"] > 0).all():
        raise ValueError("edges has a value that is not above 0")
    _check_range("snapshot_bins", arrays["snapshot_bins"], 0, config.bins)
    ions, labels = arrays["snapshot_first_labels"].size, len(REGION_NAMES)
    for prefix in (*RULES, *(f"core_{scale}" for scale in config.core_scales)):
        events, first_frames = arrays[f"{prefix}_events"], arrays[f"{prefix}_first_frames"]
        for end in ("first_labels", "last_labels"):
            _check_range(f"{prefix}_{end}", arrays[f"{prefix}_{end}"], -1, labels)
        _check_range(f"{prefix}_first_frames", first_frames[first_frames != -1], start, stop)
        for column, low, high in ((0, start, stop), (1, 0, ions), (2, 0, labels), (3, 0, labels)):
            _check_range(f"{prefix}_events", events[:, column], low, high)
        if (np.diff(events[:, 0]) < 0).any():
            raise ValueError(f"{prefix}_events are not in the order of time")
    layers = sum(len(species.layers) for species in config.ions.values())
    _check_range("displacement_tail_frames", arrays["displacement_tail_frames"], start, stop)
    _check_range("displacement_tail_layers", arrays["displacement_tail_layers"], 0, layers)


def check_sums(arrays: Arrays, config: ReductionConfig, start: int, stop: int) -> None:
    """Refuse counts that do not add up to the atoms and ions, and events that do not follow from each other.

    Shapes, types and values must be those of :func:`check_layout` and :func:`check_values`.
    """
    frames, ions = np.arange(start, stop), np.array(list(config.ion_counts.values()))
    atoms = np.bincount(np.array(config.atom_types) - 1, minlength=len(config.labels))
    blocks = frames // config.block_frames - start // config.block_frames
    # rows of an array, the frames that each of them sums, and what there is in a frame
    sums = {"region_counts": (np.ones(len(frames), np.int64), ions)}
    sums["point_histograms"] = (np.bincount(blocks), ions)
    for name, stream in config.streams.items():
        counted = blocks[stream.counted(frames)]
        sums[f"stream_{name}"] = (np.bincount(counted, minlength=int(blocks[-1]) + 1), atoms)
    for name, (summed, present) in sums.items():
        found, expected = arrays[name].sum(axis=2), np.outer(summed, present)
        if not np.array_equal(found, expected):
            row, column = np.argwhere(found != expected)[0].tolist()
            raise ValueError(f"{name} counts {found[row, column]} in row {row}; there are {expected[row, column]}")
    for prefix in (*RULES, *(f"core_{scale}" for scale in config.core_scales)):
        _check_chain(prefix, *(arrays[f"{prefix}_{name}"] for name in ("first_labels", "events", "last_labels")))


def _check_chain(prefix: str, first: NDArray[Any], events: NDArray[Any], last: NDArray[Any]) -> None:
    """Refuse events (E, 4) that do not lead from the first label of each ion to its last one."""
    ordered = events[np.argsort(events[:, 1], kind="stable")]
    ions, before, after = ordered[:, 1:].T
    begins, ends = np.diff(ions, prepend=-1) != 0, np.diff(ions, append=-1) != 0
    came = np.where(begins, first[ions], np.roll(after, 1))
    ended = first.astype(np.int64)
    ended[ions[ends]] = after[ends]
    wrong = ions[(came != before) | (before == after)]
    if len(wrong) or (ended != last).any():
        ion = wrong[0] if len(wrong) else int(np.argmax(ended != last))
        raise ValueError(f"{prefix}_events of ion {ion} do not lead from its first label to its last one")


def _check_range(name: str, values: NDArray[Any], low: int, stop: int | None) -> None:
    """Refuse an array with a value below ``low``, or not below ``stop``."""
    if not values.size:
        return
    smallest, largest = values.min(), values.max()
    if smallest < low:
        raise ValueError(f"{name} has the value {smallest}; the smallest possible one is {low}")
    if stop is not None and largest >= stop:
        raise ValueError(f"{name} has the value {largest}; the largest possible one is {stop - 1}")
