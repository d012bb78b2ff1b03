"""Make the example of the gallery: four simulated runs of ions in a landscape, analysed and joined, in a profile.

``python -m docs.example_study FOLDER`` stores them in the profile of FOLDER, which is created, and prints the PK
of the joint kinetics. The ions move by Langevin dynamics in known free energies, without LAMMPS; there is no
polymer. At 700 K they equilibrate, at 400 K hardly one crosses: the figures show both. It takes some minutes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiida_cse.building.reduction import describe_system
from aiida_cse.landscape.model import Ions, Landscape
from aiida_cse.landscape.system import landscape_system
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.state import State
from benchmarks.mutations.trajectories import Physics, simulate

__all__ = ["IONS", "LANDSCAPE", "TEMPERATURES", "reduced_run", "store_study"]

TEMPERATURES = (700.0, 600.0, 500.0, 400.0)
#: K, Å: barriers at which some hundred ions enter the slab at 700 K within the run, and hardly one at 400 K
LANDSCAPE = Landscape(
    half_thickness=12.0,
    box_half_length=40.0,
    barrier_left=5200.0,
    barrier_right=4900.0,
    depth=100.0,
    bulk=2300.0,
    anion_layer=900.0,
    anion_barrier=1500.0,
    well_left=8.1,
    well_right=8.8,
    origin=18.0,
    drift=0.5,
    spring=1000.0,
)
IONS = Ions(cations=300, anions=60, inside=0.85)
TIMESTEP_FS, FRAME_PS, LENGTH_PS = 4.0, 2.0, 20_000.0
SAMPLING: dict[str, Any] = {
    "timestep_fs": TIMESTEP_FS,
    "frame_ps": FRAME_PS,
    "all_atoms_ps": None,
    "block_ps": 400.0,
    "snapshot_ps": 100.0,
    "bins": 400,
    "lags_ps": [2.0, 20.0, 100.0],
}
SETTINGS: dict[str, Any] = {"start_ns": 4.0, "rule": "core"}


def reduced_run(temperature: float, *, length_ps: float = LENGTH_PS) -> State:
    """Return the reduced run at a temperature in K; the temperature is its seed as well."""
    system = landscape_system(LANDSCAPE, IONS, seed=1)
    config = ReductionConfig.build(
        describe_system(system), Sampling.model_validate(SAMPLING), temperature=temperature
    )
    physics = Physics(LANDSCAPE, temperature, TIMESTEP_FS, FRAME_PS, length_ps)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trajectory.dcd"
        simulate(physics, system, round(temperature), path)
        return reduce_segments([path], config)


def store_study(*, length_ps: float = LENGTH_PS, settings: dict[str, Any] | None = None) -> int:
    """Store runs, analyses, Δz and joint kinetics in the loaded profile; return the PK of the kinetics."""
    from aiida.engine import run, run_get_node
    from aiida.orm import Dict
    from aiida.plugins import CalculationFactory

    from aiida_cse.workchains.import_run import import_run

    chosen = SETTINGS | (settings or {})
    system = landscape_system(LANDSCAPE, IONS, seed=1)
    runs: dict[str, Any] = {}
    for temperature in TEMPERATURES:
        label = f"T{temperature:04.0f}_r1"
        state = reduced_run(temperature, length_ps=length_ps)
        imported = import_run(state, temperature, chosen, label=f"example {label}", system=system)
        runs[label] = imported.analysis.outputs
        print(f"{label}: analysed as <{imported.analysis.pk}>", flush=True)
    analysis = next(iter(runs.values())).transitions.creator.inputs.settings
    shifts = run(
        CalculationFactory("cse.shifts"),
        settings=Dict({}),
        analysis=analysis,
        **{
            label: {"reduction": found.transitions.creator.inputs.reduction, "transitions": found.transitions}
            for label, found in runs.items()
        },
    )
    _, kinetics = run_get_node(
        CalculationFactory("cse.kinetics"),
        settings=Dict({"temperatures": [*TEMPERATURES, 350.0, 300.0]}),
        shifts=shifts,
        metadata={"label": "example: ions in a landscape"},
        **{
            label: {name: found[name] for name in ("transitions", "equilibration", "barrier")}
            for label, found in runs.items()
        },
    )
    return int(kinetics.pk)


def main() -> None:
    """Store the example in the profile of the folder that is given."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m docs.example_study FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    from aiida_cse.cli import profile

    profile.activate(create=True)
    # AiiDA reads the folder of its configuration when it is imported
    from aiida_cse.cli.site.environment import ensure_environment

    ensure_environment()
    print(f"joint kinetics <{store_study()}>")


if __name__ == "__main__":
    main()
