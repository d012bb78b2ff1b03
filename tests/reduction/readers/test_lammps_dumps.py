"""Dumps of real LAMMPS in every style of coordinates, against its unwrapped ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.open import open_trajectory

pytestmark = pytest.mark.integration

STYLES = {
    "xu": "id type xu yu zu",
    "xsu": "type xsu ysu zsu id",
    "x_ix": "id type x y z ix iy iz",
    "xs_ix": "id xs ys zs ix iy iz",
    "x": "id x y z",
    "xs": "id xs ys zs",
}
SCRIPT = """\
units real
atom_style atomic
lattice fcc 5.3
region box block 0 2 0 2 -1 2
create_box 2 box
create_atoms 1 box
set type 1 type/fraction 2 0.4 5
mass * 40
pair_style lj/cut 5.2
pair_coeff * * 0.24 3.4
velocity all create 3000 1
fix ensemble all nve
timestep 2
{dumps}
dump times all custom 20 times.dump id type xu yu zu
dump_modify times units yes time yes
dump zipped all custom 20 zipped.dump.gz id type xu yu zu
dump atom all atom 20 atom.lammpstrj
dump part all custom 20 part.dump id type xu yu zu
dump_modify part thresh type == 2
dump frames all dcd 20 frames.dcd
dump_modify frames unwrap yes sort id
dump xdr all xtc 20 frames.xtc
dump_modify xdr unwrap yes sort id precision 100000
run 400
{undumps}
undump times
undump zipped
undump atom
undump part
undump frames
undump xdr
change_box all triclinic
change_box all xy final 1.0
dump tilted all custom 20 tilted.dump id type xu yu zu
run 20
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dumps")
    dumps = [
        f"dump {name} all custom 20 {name}.dump {columns}\ndump_modify {name} format float %.9g"
        for name, columns in STYLES.items()
    ]
    (folder / "in.lj").write_text(
        SCRIPT.format(dumps="\n".join(dumps), undumps="\n".join(f"undump {name}" for name in STYLES))
    )
    command = [str(Path(sys.executable).with_name("lmp")), "-in", "in.lj", "-log", "none"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    return folder


def positions(path: Path) -> NDArray[np.float32]:
    """Return the positions (F, N, 3) of a trajectory."""
    with open_trajectory(path) as file:
        frames = file.read_xyz(0, file.frames)
        return np.stack([frames.along(axis).copy() for axis in range(3)], axis=2)


@pytest.mark.parametrize("name", ["xsu", "x_ix", "xs_ix"])
def test_every_style_gives_the_unwrapped_coordinates(folder: Path, name: str) -> None:
    with open_trajectory(folder / f"{name}.dump") as file:
        assert (file.frames, file.frame_steps, file.unwrapped) == (21, 20, True)
    expected = positions(folder / "xu.dump")
    assert np.ptp(expected[..., 0]) > 10.6
    np.testing.assert_allclose(positions(folder / f"{name}.dump"), expected, atol=2e-6)


@pytest.mark.parametrize("name", ["x.dump", "xs.dump", "atom.lammpstrj"])
def test_wrapped_styles_say_so_and_agree_in_the_box(folder: Path, name: str) -> None:
    with open_trajectory(folder / name) as file:
        assert file.unwrapped is False
    apart = (positions(folder / name) - positions(folder / "xu.dump")) / np.array([10.6, 10.6, 15.9])
    np.testing.assert_allclose(apart, np.rint(apart), atol=2e-5 if name.startswith("atom") else 1e-6)


@pytest.mark.parametrize("name", ["times.dump", "zipped.dump.gz", "frames.dcd", "frames.xtc"])
def test_other_formats_of_the_run_agree(folder: Path, name: str) -> None:
    with open_trajectory(folder / name) as file:
        assert (file.frames, file.first_step, file.frame_steps) == (21, 0, 20)
        if name in ("times.dump", "frames.xtc"):
            assert (file.frame_ps, file.first_ps) == (pytest.approx(0.04), 0.0)
    np.testing.assert_allclose(positions(folder / name), positions(folder / "xu.dump"), atol=2e-4)


def test_a_part_of_the_atoms_is_read_by_its_ids(folder: Path) -> None:
    with open_trajectory(folder / "part.dump") as part, open_trajectory(folder / "xu.dump") as whole:
        assert part.ids is not None
        assert whole.atom_types is not None
        assert part.ids.tolist() == (np.flatnonzero(whole.atom_types == 2) + 1).tolist()
        own = part.ids - 1
    np.testing.assert_allclose(positions(folder / "part.dump"), positions(folder / "xu.dump")[:, own], atol=2e-4)


def test_a_tilted_box_is_named(folder: Path) -> None:
    with pytest.raises(TrajectoryError, match=r"tilted.dump: frame 0, line 6: its box is tilted"):
        open_trajectory(folder / "tilted.dump")
