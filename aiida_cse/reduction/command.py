"""The reduction as a command: files in, file out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import Progress, reduce_plan
from aiida_cse.reduction.scratch import Scratch
from aiida_cse.reduction.segments import plan_segments
from aiida_cse.reduction.state import State
from aiida_cse.schema import explain

__all__ = ["ReductionSummary", "load_config", "run_reduction"]


@dataclass(frozen=True)
class ReductionSummary:
    """What a reduction did: frames and steps of the state, frames it read, and notes about the files."""

    frames: int
    first_step: int
    last_step: int
    frames_read: int
    notes: tuple[str, ...]


def load_config(path: str | Path) -> ReductionConfig:
    """Read a configuration from a JSON file.

    Raises
    ------
    ValueError
        The file cannot be read or a field of it is wrong; names the file and the field.
    """
    try:
        return ReductionConfig.model_validate_json(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no text in UTF-8 (byte {error.start}), must be JSON") from error
    except ValidationError as error:
        raise ValueError(f"{path}: {explain(error)}") from error


def run_reduction(
    segments: Sequence[str | Path],
    config: ReductionConfig,
    out: str | Path,
    previous: str | Path | None = None,
    progress: Progress | None = None,
    *,
    until_step: int | None = None,
    threads: int = 1,
    checksums: Mapping[str, str] | None = None,
) -> ReductionSummary:
    """Reduce segments and write the state; see :func:`~aiida_cse.reduction.reduce.reduce_segments`.

    Parameters
    ----------
    segments
        Trajectories in the order of time.
    config
        The system, its regions and the sampling.
    out
        The npz file to write; it appears only when it is whole. What is counted until then lies in its folder, in
        files without a name.
    previous
        The state (npz) that the segments continue.
    progress
        Called with the frames done and the frames in all.
    until_step
        Leave out the frames at or after this step.
    threads
        How many pieces are reduced at the same time.
    checksums
        SHA-256 that segments must have, by their paths as given.

    Raises
    ------
    ValueError
        As :func:`~aiida_cse.reduction.reduce.reduce_segments`, or ``previous`` is no state.
    """
    folder = Path(out).absolute().parent
    earlier = None if previous is None else State.load(previous, Scratch(folder))
    plan = plan_segments(segments, config, until_step, checksums)
    state = reduce_plan(plan, config, earlier, progress, threads=threads, scratch=folder)
    state.save(out)
    return ReductionSummary(state.frames, state.first_step, state.last_step, plan.frames, plan.notes)
