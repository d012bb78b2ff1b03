"""Windows and short trajectories of real LAMMPS on a landscape give its exact free energy and rate."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import constants

from aiida_cse.lammps.job.script import SHOTS
from aiida_cse.lammps.log.shots import missing_shots, read_shots
from aiida_cse.landscape import crossing
from aiida_cse.landscape.crossing import compare, exact_crossing
from aiida_cse.landscape.model import Ions, draw_landscape
from aiida_cse.landscape.system import landscape_system
from aiida_cse.physics.crossing.reactive_flux import crossing_rate, transmission
from aiida_cse.physics.crossing.umbrella import UmbrellaWindow, umbrella_profile
from tests.lammps.jobs import Job, plan

TEMPERATURE = 500.0
LANDSCAPE = draw_landscape(3)
EXACT = exact_crossing(LANDSCAPE, TEMPERATURE, "right")
#: kcal/mol per K
KCAL = constants.R / constants.calorie / 1000
#: Å; K Å⁻² of the windows, and of the structures on the top
CENTRES, SPRING, STIFF = np.arange(19.0, 7.4, -0.5), 3125.0, 34000.0
LADDERS, STRUCTURES, STARTS, FIRST_ION = 4, 6, 25, 9


def test_the_exact_rate_obeys_detailed_balance_and_transition_state_theory() -> None:
    assert 0.5 < EXACT.transmission < 1
    assert EXACT.barrier == pytest.approx(EXACT.free_energy([9.495, 9.505])[0], abs=0.1)
    left = exact_crossing(LANDSCAPE, TEMPERATURE, "left")
    assert left.surface == -EXACT.surface
    assert np.log(left.rate / EXACT.rate) == pytest.approx((EXACT.barrier - left.barrier) / TEMPERATURE, abs=0.05)


def results(**changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the results of a crossing that finds about the exact values at a surface 0.3 Å beside the top."""
    surface = EXACT.surface + 0.3
    height = EXACT.barrier_at(surface)
    kappa = EXACT.transmission * np.exp((height - EXACT.barrier) / TEMPERATURE)
    found: dict[str, Any] = {"temperature_K": TEMPERATURE, "side": "right", "level": 0.95, "ladders": 6}
    found |= {"surface_z_A": surface, "tst_barrier_K": height + 20, "tst_barrier_error_K": 15.0}
    for way in ("in", "out"):
        found |= {f"kappa_{way}": kappa * 1.05, f"kappa_{way}_interval": [kappa * 0.95, kappa * 1.16]}
        rate = EXACT.rate * 1.1
        found |= {f"rate_{way}_per_s": rate, f"rate_{way}_interval_per_s": [rate * 0.8, rate * 1.25]}
    edges = np.arange(7.0, 18.6, 0.2)
    profile = {
        "z_A": edges[:-1] + 0.1,
        "free_energy_K": EXACT.free_energy(edges) + 10,
        "error_K": np.full(len(edges) - 1, 8.0),
    }
    return found | changes, profile


def failed(found: dict[str, Any], profile: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(crossing, "exact_crossing", lambda *_: EXACT)
    checks = compare(LANDSCAPE, found, profile, 6, 0.999)
    assert len(checks) == 7
    assert {check["run"] for check in checks} == {"T0500 right"}
    return [check["quantity"] for check in checks if not check["holds"]]


def test_a_crossing_within_its_errors_passes_wherever_its_surface_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failed(*results(), monkeypatch) == []


def test_a_wrong_free_energy_a_wrong_flux_and_imbalance_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found, profile = results()
    wrong = profile | {"free_energy_K": np.where(profile["z_A"] < 13, 1.2, 1.0) * profile["free_energy_K"]}
    assert failed(found, wrong, monkeypatch) == ["bins with F in 99.9%"]
    higher = found | {"tst_barrier_K": found["tst_barrier_K"] * 1.2}
    assert failed(higher, profile, monkeypatch) == ["F on the surface"]
    half = found | {"kappa_out": found["kappa_out"] / 2, "rate_out_per_s": found["rate_out_per_s"] / 2}
    half["kappa_out_interval"] = [end / 2 for end in found["kappa_out_interval"]]
    assert failed(half, profile, monkeypatch) == [
        "κ out of the slab",
        "Γ out of the slab",
        "κ into / κ out of the slab",
    ]


def test_a_rate_without_an_interval_and_bins_without_f_do_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    found, profile = results(rate_in_interval_per_s=None)
    names = failed(found, profile, monkeypatch)
    assert names == ["κ into the slab", "Γ into the slab", "κ into / κ out of the slab"]
    empty = profile | {"free_energy_K": np.full(len(profile["z_A"]), np.nan)}
    assert failed(results()[0], empty, monkeypatch) == ["bins with F in 99.9%"]


def ladder(atom: int) -> list[dict[str, Any]]:
    """Return the stages of one ladder: windows from the layer into the slab, then structures on the top."""
    place = {"atom": atom, "reference": [1]}
    common = {"temperature": TEMPERATURE, "thermostat": "langevin", "thermostat_fs": LANDSCAPE.damping_fs}
    dynamics = common | {"kind": "nvt", "timestep_fs": 2}
    stages: list[dict[str, Any]] = []
    for number, centre in enumerate(CENTRES.tolist()):
        bias = place | {"centre": centre, "spring": SPRING * KCAL}
        first = {"duration_ps": 40, "velocities": TEMPERATURE} if number == 0 else {"duration_ps": 4}
        stages.append(dynamics | first | {"name": f"relax_{number}", "bias": bias})
        stages.append(dynamics | {"name": f"window_{number}", "duration_ps": 20, "thermo_ps": 0.1, "bias": bias})
    bias = place | {"centre": EXACT.surface, "spring": STIFF * KCAL}
    shots = place | {"low": EXACT.surface - 2, "high": EXACT.surface + 2.5, "number": STARTS, "followed": 5}
    for number in range(STRUCTURES):
        stages.append(dynamics | {"name": f"top_{number}", "duration_ps": 5, "bias": bias})
        stages.append(
            common
            | {"name": f"shoot_{number}", "kind": "shots", "timestep_fs": 2, "shots": shots | {"most_ps": 8}}
        )
    return stages


@pytest.mark.long
@pytest.mark.integration
def test_a_crossing_in_lammps_gives_the_exact_rate(environment_bin: Path, tmp_path: Path) -> None:
    windows, shots = [], []
    for number in range(LADDERS):
        asked = plan(*ladder(FIRST_ION + number), kspace_style="none", restart_interval=20000)
        asked = asked.model_copy(update={"seed": 101 + number})
        system = landscape_system(LANDSCAPE, Ions(cations=20, anions=10), number + 1)
        job = Job.prepare(tmp_path / str(number), environment_bin / "lmp", system, asked)
        job.start().wait()
        assert job.report.reached(asked.target_step), job.report.error
        for table in job.report.tables:
            kind, _, index = (table.stage or "").partition("_")
            if kind == "window":
                z = np.array([row[table.columns.index("v_bias_z")] for row in table.rows])
                windows.append(UmbrellaWindow(float(CENTRES[int(index)]), SPRING, z, number))
        with (job.folder / SHOTS).open() as lines:
            own = read_shots(lines, asked)
        assert missing_shots(asked, job.report, own) is None
        shots += [(f"{number} {shot.stage}", shot) for shot in own]

    edges = np.arange(7.5, EXACT.well[1] + 0.01, 0.25)
    profile = umbrella_profile(windows, edges, TEMPERATURE, EXACT.well, level=0.99)
    low, high = profile.interval()
    exact = EXACT.free_energy(edges)
    assert ((exact >= low) & (exact <= high)).mean() > 0.9
    structures = sorted({name for name, _ in shots})
    for side in (-1, 1):
        own_side = [(structures.index(name), shot) for name, shot in shots if shot.velocity * side > 0]
        kappa = transmission(
            [abs(shot.velocity) for _, shot in own_side],
            [shot.backward == 1 and shot.forward == side for _, shot in own_side],
            [structure for structure, _ in own_side],
            level=0.99,
        )
        assert kappa.low < EXACT.transmission < kappa.high
        if side < 0:
            rate = crossing_rate(profile, EXACT.surface, kappa, LANDSCAPE.mass * constants.atomic_mass)
            assert rate.low < EXACT.rate < rate.high
