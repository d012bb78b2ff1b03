"""The small interface as dump, DCD and XTC, sound and broken: repaired aloud or refused, never another number."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from numpy.typing import NDArray

from aiida_cse.building.imported.interface import load_interface
from aiida_cse.cli import main
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.readers import dcd
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.checked import Entrance, atoms_of_files
from aiida_cse.reduction.readers.open import open_trajectory
from aiida_cse.reduction.reduce import reduce_in_pieces, reduce_segments, run_reduction
from aiida_cse.reduction.segments import plan_segments
from aiida_cse.reduction.state import State
from tests.reduction import synthetic
from tests.reduction.readers.files import write_with_mdanalysis
from tests.reduction.synthetic import write_dcd

SMALL = Path(__file__).parents[2] / "small_interface"
FORMATS = ("dump", "dcd", "xtc")
STEPS, EDGES = 500, np.array([14.0, 16.0, 84.0])
#: populations of the first frame, and the sum of dy² of Li over all displacements, Å²
COUNTS, SQUARES = [[1, 0, 2, 2, 3], [3, 0, 0, 1, 4]], 129.6

Frames = NDArray[np.float32]


@pytest.fixture(scope="module")
def sound() -> Frames:
    """Positions (F, 42, 3) of the small interface."""
    with open_trajectory(SMALL / "run.dump") as file:
        frames = file.read_xyz(0, file.frames)
        return np.stack([frames.along(axis) for axis in range(3)], axis=2)


def write(folder: Path, suffix: str, positions: Frames, first_step: int = 0) -> Path:
    """Write the positions (F, 42, 3) with a frame every 500 steps of 2 fs."""
    path, frames = folder / f"run.{suffix}", len(positions)
    if suffix == "dcd":
        lengths = (14.0, 16.0, 84.0)
        return write_dcd(path, positions, first_step=first_step, frame_steps=STEPS, lengths=lengths)
    steps = [first_step + STEPS * number for number in range(frames)]
    if suffix == "xtc":
        return write_with_mdanalysis(path, positions, np.array(steps) / STEPS, steps, (*EDGES, 90.0, 90.0, 90.0))
    types = load_interface(SMALL / "box.data", SMALL / "regions.yaml")[0].types
    bounds = "".join(f"{-edge / 2} {edge / 2}\n" for edge in EDGES)
    text = ""
    for step, frame in zip(steps, positions, strict=True):
        rows = [f"{i} {types[i - 1]} {x:.6f} {y:.6f} {z:.6f}\n" for i, (x, y, z) in enumerate(frame.tolist(), 1)]
        text += f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n42\nITEM: BOX BOUNDS pp pp pp\n{bounds}"
        text += "ITEM: ATOMS id type xu yu zu\n" + "".join(rows)
    path.write_text(text)
    return path


def reduce(path: Path, *, bonds: bool = True, unwrap: bool = False) -> tuple[State, tuple[str, ...]]:
    """Return the state and the notes of a trajectory of the small interface."""
    system, sampling = load_interface(SMALL / "box.data", SMALL / "regions.yaml")
    if not bonds:
        system = replace(system, bonds=None)
    config, out = ReductionConfig.build(system, sampling), path.with_suffix(".npz")
    notes = run_reduction([path], config, out, entrance=Entrance(system, unwrap)).notes
    return State.load(out), notes


def refused(path: Path, why: str, **options: bool) -> None:
    """Assert that a trajectory is refused, with its name."""
    with pytest.raises(TrajectoryError, match=f"{path.name}: {why}"):
        reduce(path, **options)


def is_right(state: State) -> bool:
    squares = state.displacement_moments("Li").squares[..., 1].sum()
    return state.region_counts[0].tolist() == COUNTS and abs(squares - SQUARES) < 0.5


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_sound_run_gives_the_known_numbers(tmp_path: Path, sound: Frames, suffix: str) -> None:
    state, notes = reduce(write(tmp_path, suffix, sound))
    assert is_right(state)
    assert notes[-1] == "the largest move of an ion between displacement frames is 0.23 L/2 along y"


def test_units_times_and_line_ends_of_windows_do_not_change_the_state(tmp_path: Path) -> None:
    text = (SMALL / "run.dump").read_text()
    state, _ = _reduced(tmp_path, text)
    timed = iter(range(100))
    lines = re.sub("ITEM: TIMESTEP\n", lambda _: f"ITEM: TIME\n{1000 * next(timed)}\nITEM: TIMESTEP\n", text)
    assert _reduced(tmp_path, f"ITEM: UNITS\nreal\n{lines}")[0].equals(state)
    assert _reduced(tmp_path, text.replace("\n", "\r\n"))[0].equals(state)
    assert is_right(state)


def test_frames_of_one_step_are_named(tmp_path: Path) -> None:
    text = re.sub(r"(?<=TIMESTEP\n)\d+", "7", (SMALL / "run.dump").read_text())
    with pytest.raises(TrajectoryError, match="frame 1: is of step 7, which is not later than step 7 of frame 0"):
        _reduced(tmp_path, text)


def _reduced(folder: Path, text: str) -> tuple[State, tuple[str, ...]]:
    path = folder / "run.dump"
    path.write_bytes(text.encode())
    return reduce(path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_wrapped_coordinates_are_refused(tmp_path: Path, sound: Frames, suffix: str) -> None:
    path = write(tmp_path, suffix, (sound + EDGES / 2) % EDGES - EDGES / 2)
    why = r"frame \d+ \(step \d+\): atom \d+ jumps by 1.\d+ L/2 along [xyz] .*: the coordinates are wrapped; write"
    why += {"xtc": r" unwrapped ones \(GROMACS: gmx trjconv -pbc nojump; LAMMPS: "}.get(suffix, r" .*LAMMPS: ")
    refused(path, why)
    refused(path, why, bonds=False)


@pytest.mark.parametrize("suffix", FORMATS)
def test_wrapped_coordinates_are_unwrapped_on_request(tmp_path: Path, sound: Frames, suffix: str) -> None:
    state, notes = reduce(write(tmp_path, suffix, (sound + EDGES / 2) % EDGES - EDGES / 2), unwrap=True)
    assert is_right(state)
    assert notes[-1].startswith("unwrapped by the nearest image from frame to frame; the largest move was 0.")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_slab_across_the_end_of_the_box_is_joined(tmp_path: Path, sound: Frames, suffix: str) -> None:
    shifted = sound + np.array([0, 0, 42], np.float32)
    state, notes = reduce(write(tmp_path, suffix, shifted))
    assert is_right(state)
    assert not any("repaired" in note for note in notes)
    # whole molecules, but the atoms of the slab as a program places them that knows no slab
    shifted[:, :18, 2] -= 84 * (shifted[0, :18, 2] > 42)
    state, notes = reduce(write(tmp_path, suffix, shifted))
    assert is_right(state)
    assert "run." in notes[0] or "rounded" in notes[0]
    assert any("repaired: the slab lies across the end of the box along z; 6 atoms" in note for note in notes)


@pytest.mark.parametrize("suffix", FORMATS)
def test_torn_molecules_are_made_whole_by_their_bonds(tmp_path: Path, sound: Frames, suffix: str) -> None:
    torn = sound.copy()
    torn[:, [35, 37], 2] -= 84
    torn[:, 39, 0] += 14
    path = write(tmp_path, suffix, torn)
    state, notes = reduce(path)
    assert is_right(state)
    words = "repaired: molecules 24, 25 and 26 were torn by the box along x and z: made whole by their bonds"
    assert any(words in note for note in notes)
    refused(path, r"frame 0 \(step 0\): molecule 24 .* extends over 8\d\.\d Å along z", bonds=False)


@pytest.mark.parametrize("suffix", ["dcd", "xtc"])
@pytest.mark.parametrize("first", [0, 3, 11])
def test_atoms_that_lose_the_order_of_their_ids_are_refused(
    tmp_path: Path, sound: Frames, suffix: str, first: int
) -> None:
    order = np.random.default_rng(1).permutation(sound.shape[1])
    mixed = np.concatenate([sound[:first], sound[first:][:, order]])
    refused(write(tmp_path, suffix, mixed), rf"frame {first} .*: atoms are not in the order of their IDs")


def test_other_units_types_and_tilts_are_named(tmp_path: Path, sound: Frames) -> None:
    text, path = (SMALL / "run.dump").read_text(), tmp_path / "run.dump"
    path.write_text("ITEM: UNITS\nmetal\n" + text)
    refused(path, "units = metal: must be real")
    path.write_text(text.replace("\n26 2 ", "\n26 3 "))
    refused(path, "atom 26 is of type 3, in the system it is of type 2")
    path.write_text(text.replace("xu yu zu", "x y z"))
    refused(path, "its coordinates are wrapped into the box, without image flags; write unwrapped ones")
    broken = sound.copy()
    broken[2, 40, 1] = np.nan
    refused(
        write(tmp_path, "dcd", broken), r"frame 2 \(step 1000\) has a coordinate that is not finite: y of atom 41"
    )


def some_atoms(folder: Path, kept: NDArray[np.bool_]) -> Path:
    """Write the dump with the atoms where ``kept`` (42,) is true."""
    lines = []
    for line in (SMALL / "run.dump").read_text().splitlines():
        words = line.split()
        if len(words) == 5 and words[0].isdecimal() and not kept[int(words[0]) - 1]:
            continue
        lines.append(str(kept.sum()) if line == "42" else line)
    path = folder / "some.dump"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_dump_of_ions_and_framework_is_enough(tmp_path: Path) -> None:
    kept = np.ones(42, bool)
    kept[[2, 11]] = False
    path = some_atoms(tmp_path, kept)
    whole, sampling = load_interface(SMALL / "box.data", SMALL / "regions.yaml")
    system = atoms_of_files([path], whole, sampling)
    config = ReductionConfig.build(system, sampling)
    run_reduction([path], config, tmp_path / "state.npz", entrance=Entrance(system))
    assert State.load(tmp_path / "state.npz").region_counts[0].tolist() == COUNTS
    assert system.bonds is not None
    assert system.molecules[system.bonds].tolist() == [[number] * 2 for number in range(20, 28)]
    for missing, why in (
        ([35], "molecule 24 of TFSI lacks atoms 36; its centre of mass needs all of them"),
        (range(18), "there is no atom of framework type Fr among the 24 of 42 atoms"),
        (range(18, 26), "there is no atom of Li among the 34 of 42"),
    ):
        kept = np.ones(42, bool)
        kept[list(missing)] = False
        with pytest.raises(TrajectoryError, match=f"some.dump: {why}"):
            atoms_of_files([some_atoms(tmp_path, kept)], whole, sampling)


def command(folder: Path, *arguments: object, **sampling: float) -> tuple[int, str]:
    """Run ``aiida-cse reduce`` on the small interface; ``sampling`` changes its regions file."""
    content = yaml.safe_load((SMALL / "regions.yaml").read_text())
    content["sampling"] |= sampling
    (folder / "regions.yaml").write_text(yaml.safe_dump(content))
    fixed = ("--system", SMALL / "box.data", "--config", folder / "regions.yaml", "--out", folder / "state.npz")
    result = CliRunner().invoke(main, ["reduce", *map(str, (*fixed, *arguments))])
    return result.exit_code, result.output


def test_the_command_unwraps_and_prints_what_it_did(tmp_path: Path, sound: Frames) -> None:
    path = write(tmp_path, "dcd", (sound + EDGES / 2) % EDGES - EDGES / 2)
    code, output = command(tmp_path, path)
    assert code == 2
    assert "the coordinates are wrapped" in output
    code, output = command(tmp_path, path, "--unwrap", "--threads", 2)
    assert code == 0, output
    assert "note: unwrapped by the nearest image from frame to frame" in output
    assert is_right(State.load(tmp_path / "state.npz"))


def test_unwrapping_needs_the_whole_run(tmp_path: Path, sound: Frames) -> None:
    wrapped = (sound + EDGES / 2) % EDGES - EDGES / 2
    first = write(tmp_path, "dcd", wrapped[:6]).rename(tmp_path / "1.dcd")
    second = write(tmp_path, "dcd", wrapped[6:], first_step=6 * STEPS).rename(tmp_path / "2.dcd")
    assert command(tmp_path, first, second, "--unwrap")[0] == 0
    assert is_right(State.load(tmp_path / "state.npz"))
    assert command(tmp_path, first, "--unwrap")[0] == 0
    (tmp_path / "state.npz").rename(tmp_path / "earlier.npz")
    code, output = command(tmp_path, second, "--unwrap", "--previous", tmp_path / "earlier.npz")
    assert code == 2
    assert "2.dcd: --unwrap: continues an earlier state" in output


def test_labels_of_the_data_file_name_the_types(tmp_path: Path) -> None:
    text = (SMALL / "box.data").read_text()
    labelled = re.sub(r"^(\d) (\d+\.0) # (\w+)$", r"\3 \2", text, flags=re.MULTILINE)
    labelled = labelled.replace("\nMasses\n", "\nAtom Type Labels\n\n1 Fr\n2 Li\n3 An\n\nMasses\n")
    for number, label in enumerate(("Fr", "Li", "An"), 1):
        labelled = re.sub(rf"^(\d+ \d+) {number} (-?\d\.\d )", rf"\1 {label} \2", labelled, flags=re.MULTILINE)
    (tmp_path / "box.data").write_text(labelled)
    assert "\n19 1 Li 1.0 " in labelled
    system, _ = load_interface(tmp_path / "box.data", SMALL / "regions.yaml")
    expected, _ = load_interface(SMALL / "box.data", SMALL / "regions.yaml")
    assert (system.labels, system.types.tolist()) == (("Fr", "Li", "An"), expected.types.tolist())
    content = yaml.safe_load((SMALL / "regions.yaml").read_text())
    content |= {"framework": ["Fr"], "cation": {"name": "Li", "types": ["Li"]}}
    (tmp_path / "regions.yaml").write_text(yaml.safe_dump(content))
    assert load_interface(tmp_path / "box.data", tmp_path / "regions.yaml")[0].framework == (1,)


def test_times_decide_where_steps_count_frames(tmp_path: Path, sound: Frames) -> None:
    for suffix in ("xtc", "dcd"):
        times = np.arange(len(sound), dtype=float)
        path = write_with_mdanalysis(
            tmp_path / f"md.{suffix}", sound, times, None, (*EDGES, 90.0, 90.0, 90.0), dt=1.0
        )
        code, output = command(tmp_path, path)
        assert code == 0, output
        assert is_right(State.load(tmp_path / "state.npz"))
        code, output = command(tmp_path, path, frame_ps=2.0)
        assert code == 2
        assert "1 ps; the sampling has frame_ps = 2" in output
        assert "--frame-ps" in output
        code, output = command(tmp_path, path, "--frame-ps", 2, frame_ps=2.0)
        assert code == 0, output
        code, output = command(tmp_path, path, "--frame-ps", 3)
        assert code == 2
        assert "--frame-ps = 3: the sampling has frame_ps = 1" in output


def test_a_resumed_run_with_other_images_is_refused(tmp_path: Path, sound: Frames) -> None:
    again = sound.copy()
    again[6:, 19:22, 1] += 16
    first = write(tmp_path, "dcd", again[:6]).rename(tmp_path / "1.dcd")
    second = write(tmp_path, "dcd", again[6:], first_step=6 * STEPS).rename(tmp_path / "2.dcd")
    code, output = command(tmp_path, first, second)
    assert code == 2
    assert "2.dcd: frame 0 (step 3000): atom 20 jumps by " in output
    assert command(tmp_path, first)[0] == 0
    (tmp_path / "state.npz").rename(tmp_path / "earlier.npz")
    code, output = command(tmp_path, second, "--previous", tmp_path / "earlier.npz")
    assert code == 2
    assert "2.dcd: after step 2000, where the state ends, 3 ions are up to 2." in output


def test_moves_from_piece_to_piece_are_watched(tmp_path: Path, sound: Frames) -> None:
    again = sound.copy()
    again[6:, 20, 1] += 16
    path = write(tmp_path, "dcd", again)
    system, sampling = load_interface(SMALL / "box.data", SMALL / "regions.yaml")
    config = ReductionConfig.build(system, sampling)
    with pytest.raises(TrajectoryError, match=r"run.dcd: frame 6 \(step 3000\): atom 21 jumps by 2.* along y"):
        reduce_in_pieces(plan_segments([path], config, entrance=Entrance(system)), config)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_anion_that_is_torn_in_one_frame_is_refused(tmp_path: Path, sound: Frames, axis: int) -> None:
    torn = sound.copy()
    torn[4, 27, axis] += EDGES[axis]
    refused(
        write(tmp_path, "dcd", torn), rf"frame 4 \(step 2000\): molecule 20 .* along {'xyz'[axis]}, more than half"
    )


def test_a_dump_of_some_atoms_is_analysed(tmp_path: Path) -> None:
    kept = np.ones(42, bool)
    kept[[2, 11]] = False
    fixed = ("--system", SMALL / "box.data", "--config", SMALL / "regions.yaml", "--out", tmp_path / "found")
    arguments = ("analyse", some_atoms(tmp_path, kept), *fixed, "--temperature", 600)
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert "40 of 42 atoms" in result.output


BROKEN = slice(40, 90)


def torn_slab(positions: Frames) -> None:
    positions[BROKEN, 3, 2] += synthetic.LENGTH


def torn_anion(positions: Frames) -> None:
    positions[BROKEN, -1, 2] -= synthetic.LENGTH


def other_order(positions: Frames) -> None:
    positions[BROKEN] = positions[BROKEN][:, np.random.default_rng(2).permutation(synthetic.NATOMS)]


@pytest.mark.parametrize("lags_ps", [(), (0.12, 0.3)])
@pytest.mark.parametrize("small_frame", [0, 10**6])
@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (torn_slab, r"the framework extends over 1\d\d\.\d Å along z, the slab is 39\.0 Å thick: it is torn"),
        (torn_anion, r"molecule 21 \(atom 50\) extends over 1\d\d\.\d Å along z, more than half the box"),
        (other_order, "atoms are not in the order of their IDs|the framework extends"),
    ],
)
def test_what_breaks_for_some_time_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[Frames], None],
    why: str,
    small_frame: int,
    lags_ps: tuple[float, ...],
) -> None:
    monkeypatch.setattr(dcd, "_SMALL_FRAME", small_frame)
    positions = synthetic.make(5, 130).positions
    happens(positions)
    path = write_dcd(tmp_path / "a.dcd", positions)
    settings = synthetic.config(lags_ps=lags_ps, displacement_ps=0.06 if lags_ps else None)
    with pytest.raises(TrajectoryError, match=rf"a.dcd: frame 48 \(step 480\): .*({why})"):
        reduce_segments([path], settings)


def test_parts_that_overlap_in_time_join(tmp_path: Path, sound: Frames) -> None:
    box, times = (*EDGES, 90.0, 90.0, 90.0), np.arange(len(sound), dtype=float)
    first = write_with_mdanalysis(tmp_path / "part1.xtc", sound[:7], times[:7], None, box)
    second = write_with_mdanalysis(tmp_path / "part2.xtc", sound[5:], times[5:], None, box)
    code, output = command(tmp_path, first, second)
    assert code == 0, output
    assert "12 frames read" in output
    assert "part1.xtc: 2 frame(s) from step 2500 on were left out" in output
    assert is_right(State.load(tmp_path / "state.npz"))


def test_a_chain_longer_than_half_the_box_is_no_torn_molecule(tmp_path: Path) -> None:
    """Without bonds, only a molecule that cannot be so long is judged by its extent."""
    made = synthetic.make(6, 40).positions
    molecules = np.array(synthetic.config().molecules)
    last = np.arange(synthetic.NATOMS) >= synthetic.NATOMS - 24
    chain = {"molecules": np.where(last, 99, molecules)}
    made[:, last, 2] = np.linspace(25, 90, 24)
    path = write_dcd(tmp_path / "a.dcd", made)
    with pytest.raises(TrajectoryError, match=r"molecule 99 .* extends over 65\.0 Å along z"):
        reduce_segments([path], synthetic.config(**chain))
    made[:, last, 2] = np.linspace(25, 79, 24)
    assert reduce_segments([write_dcd(path, made)], synthetic.config(**chain)).frames == 40


@pytest.mark.parametrize("suffix", ["dcd", "xtc"])
def test_molecules_that_are_wrapped_as_a_whole_are_refused(tmp_path: Path, sound: Frames, suffix: str) -> None:
    wrapped = (sound + EDGES / 2) % EDGES - EDGES / 2
    wrapped[:, 27::2] = wrapped[:, 26::2] + sound[:, 27::2] - sound[:, 26::2]
    refused(write(tmp_path, suffix, wrapped), r"frame \d+ .*: the coordinates are wrapped")
