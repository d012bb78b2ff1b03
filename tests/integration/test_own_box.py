"""A box that LAMMPS wrote comes in as a system, and a production runs from it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida import orm
from click.testing import CliRunner

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.recipe import load_recipe
from aiida_cse.cli import main
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.embedded import run_embedded
from aiida_cse.lammps.files.system import System
from aiida_cse.workchains.production import ProductionWorkChain

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
]

RECIPE = "llzo-peo-litfsi-demo"
TEMPERATURE = 700

#: as somebody does it by hand: pushed apart, heated, and written with labels, coefficients and velocities
SCRIPT = f"""\
units real
atom_style full
variable cutoff index 9.0
read_data system.data
include forcefield.in
kspace_style pppm 1e-4
timestep 0.5
velocity all create {TEMPERATURE} 4711 mom yes dist gaussian loop geom
fix push all nve/limit 0.05
fix bath all langevin {TEMPERATURE} {TEMPERATURE} 50 4712
run 100
unfix push
unfix bath
minimize 1e-6 1e-6 60 600
velocity all create {TEMPERATURE} 4713 mom yes dist gaussian loop geom
fix bath all nvt temp {TEMPERATURE} {TEMPERATURE} 50
run 100
write_data box.data
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, environment_bin: Path) -> Path:
    """The demo's interface, relaxed by a script outside of AiiDA."""
    folder = tmp_path_factory.mktemp("own")
    recipe = load_recipe(RECIPE)
    slab = build_slab(recipe)
    lx, ly = (float(edge) for edge in slab.data.lengths[:2])
    assemble(cut_slab(slab, slab.data), build_electrolyte(recipe, lx, ly)).write(folder)
    (folder / "run.in").write_text(SCRIPT)
    command = [environment_bin / "lmp", "-in", "run.in", "-log", "none"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return folder / "box.data"


def lithium_by_region(system: System) -> list[int]:
    """Return how many Li are below, in the lower layer, within, in the upper layer and above the slab."""
    data, slab = system.data, system.info.slab
    assert slab is not None
    framework = np.isin(data.types, system.info.type_numbers(labels=slab.framework))
    weights = data.masses[data.types[framework] - 1]
    middle = np.average(data.unwrapped[framework, 2], weights=weights) + slab.midplane_offset
    z = data.positions[np.isin(data.types, system.info.type_numbers(species="Li")), 2] - middle
    z -= data.lengths[2] * np.round(z / data.lengths[2])
    # the first layer of Li lies 3.5 to 12.5 Å outward from the surface planes
    inner, outer = slab.thickness / 2 + 3.5, slab.thickness / 2 + 12.5
    counts, _ = np.histogram(z, [-np.inf, -outer, -inner, inner, outer, np.inf])
    return [int(count) for count in counts]


def test_a_production_from_a_box_of_ones_own(box: Path, module_codes: Any, tmp_path: Path) -> None:
    before = orm.QueryBuilder().append(CseSystemData).all(flat=True)
    result = CliRunner().invoke(main, ["system", "import", str(box), "--recipe", RECIPE])
    assert result.exit_code == 0, result.output
    assert "launch production --system" in result.output
    (node,) = [n for n in orm.QueryBuilder().append(CseSystemData).all(flat=True) if n not in before]
    assert "Bond Coeffs # harmonic" in box.read_text()
    assert node.info.composition == {
        "La": 48,
        "Zr": 32,
        "O": 192,
        "Li": 119,
        "OS": 70,
        "CT2": 140,
        "CT3": 20,
        "HCO": 280,
        "HC": 60,
        "CBT": 14,
        "FBT": 42,
        "SBT": 14,
        "NBT": 7,
        "OBT": 28,
        "W": 0,
    }
    assert node.info.slab.lithium == 112

    builder = ProductionWorkChain.get_builder_from_protocol(
        codes=module_codes,
        recipe={"seeds": {"velocities": 99}},
        system=node,
        temperature=TEMPERATURE,
        protocol="demo",
        overrides={
            "plan": {
                "length_ps": 0.2,
                "segment_ps": 0.1,
                "frame_ps": 0.02,
                "all_atoms_ps": 0.1,
                "timestep_fs": 1.0,
                "settings": {"restart_interval": 100},
            },
            "sampling": {"block_ps": 0.1, "snapshot_ps": 0.1, "bins": 100},
        },
        options={"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}},
    )
    run = run_embedded(builder)
    outputs = run.outputs
    assert run.exit_status in (0, 500), (run.exit_status, run.exit_message)
    state = outputs["reduction"].get_state()
    assert (state.frames, state.first_step, state.last_step) == (11, 0, 200)
    assert list(state.config.ions) == ["Li", "TFSI"]
    assert state.region_counts[0, 0].tolist() == lithium_by_region(node.get_system())
    assert state.region_counts.sum(axis=2).tolist() == [[119, 7]] * 11, "every ion is somewhere in every frame"
    found = outputs["populations"]
    assert (found["temperature_K"], found["frames"]) == (TEMPERATURE, 11)
    assert found["n_li_ceramic"] == pytest.approx(state.region_counts[:, 0, 2].mean())
    assert "z_A" in outputs["density_profiles"].get_arraynames()
    (stage,) = outputs["stages"]["stages"]
    facts = {"kind": "nvt", "first_step": 0, "step": 200, "target_step": 200, "complete": True}
    assert {name: stage[name] for name in facts} == facts
