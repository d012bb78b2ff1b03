"""The checks: what is found where all is right holds, and a wrong number fails the check of its name alone."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import pytest

from aiida_cse.landscape.checks import compare
from aiida_cse.landscape.expected import expected_exchange, expected_runs
from aiida_cse.landscape.model import ANION, CATION, Ions, draw_landscape
from aiida_cse.landscape.settings import ValidationSettings

LANDSCAPE, SETTINGS = draw_landscape(1), ValidationSettings(shots=2000)
WIDTH = 0.2
Z = np.arange(-24, 24, WIDTH) + WIDTH / 2


@cache
def known() -> dict[str, dict[str, Any]]:
    """Return what is expected of the runs, the hottest first, by label."""
    runs = expected_runs(LANDSCAPE, SETTINGS, frame_fs=200, start_ns=0.8, end_ns=3.0, seed=1)
    return {f"T{run['temperature']:.0f}": run for run in runs}


def found(expected: dict[str, Any], equilibrated: bool) -> dict[str, dict[str, Any]]:
    """Return the results of an analysis that finds what is known."""
    temperature = expected["temperature"]
    entries, exits = round(expected["entries"]), round(expected["exits"])
    edges = np.append(Z - WIDTH / 2, Z[-1] + WIDTH / 2)
    profiles: dict[str, Any] = {"z_A": Z}
    regions = LANDSCAPE.regions(ANION).edges
    bulk = (regions[1] > Z) | (regions[-2] <= Z)
    for ion, curve in ((CATION, LANDSCAPE.cation), (ANION, LANDSCAPE.anion)):
        weights = curve.weight(edges, temperature) / WIDTH
        zero = np.exp(LANDSCAPE.depth / temperature) if ion == CATION else weights[bulk].mean()
        profiles[f"{ion.lower()}_K"] = -temperature * np.log(weights / zero)
        profiles[f"{ion.lower()}_error_K"] = np.full(len(Z), 10.0)
    shares = LANDSCAPE.shares(ANION, temperature)
    layer = SETTINGS.ions.anions * (shares["layer_left"] + shares["layer_right"])
    return {
        "populations": {
            "n_li_ceramic": expected["inside"],
            "n_tfsi_layer": layer,
            "n_tfsi_layer_interval": [layer - 1, layer + 1],
        },
        "transitions": {
            "s_in_li_ceramic": entries,
            "s_out_li_ceramic": exits,
            "exposure_li_ceramic_ion_ns": max(entries, 1) / expected["rate"] * 1e9,
        },
        "equilibration": {
            "equilibrated": equilibrated,
            "burst_index_li_ceramic": 1.0,
            "ec": 2 * min(entries, exits) / (entries + exits + 10),
            "criteria": {"lam": 10.0},
        },
        "barrier": {
            "barrier_li_K": expected["barrier"],
            "barrier_li_error_K": 30.0,
            "barrier_li_lower_bound_K": 3000.0,
            "frequency_li_log_error": 0.02,
            "curvature_li_K_per_A2": LANDSCAPE.curvature,
            "frequency_li_per_s": LANDSCAPE.frequency,
            "kappa_li": expected["kappa"],
            "kappa_li_interval": [0.9 * expected["kappa"], 1.1 * expected["kappa"]],
        },
        "free_energy_profiles": profiles,
    }


def right() -> dict[str, dict[str, dict[str, Any]]]:
    return {label: found(run, number < 3) for number, (label, run) in enumerate(known().items())}


def kinetics() -> dict[str, Any]:
    coldest = list(known().values())[-1]
    rate, key = coldest["rate"], f"rate_{coldest['temperature']:04.0f}K"
    return {"level": 0.95, f"{key}_per_s": rate, f"{key}_interval_per_s": [rate / 2, rate * 2]}


def failed(runs: dict[str, Any], joint: dict[str, Any]) -> set[str]:
    checks = compare(LANDSCAPE, SETTINGS, known(), runs, joint)
    names = [
        (check["quantity"].split(",")[0].split(" at ")[0], check["run"]) for check in checks if not check["holds"]
    ]
    return {f"{quantity} {run}" for quantity, run in names}


def test_correct_results_pass_every_check() -> None:
    assert failed(right(), kinetics()) == set()
    checks = compare(LANDSCAPE, SETTINGS, known(), right(), kinetics())
    # a right program passes all of them in more than 99 of 100 cases
    assert len(checks) * (1 - SETTINGS.level) < 0.01


@pytest.mark.parametrize(
    ("part", "key", "factor", "names"),
    [
        ("barrier", "barrier_li_K", 1.2, {"ΔF"}),
        ("barrier", "frequency_li_per_s", 2**-0.5, {"ν"}),
        ("barrier", "curvature_li_K_per_A2", 1.5, {"k"}),
        ("barrier", "kappa_li_interval", 2, {"κ"}),
        ("transitions", "exposure_li_ceramic_ion_ns", 2, {"Γ"}),
        ("populations", "n_li_ceramic", 1.2, {"N(Li"}),
        ("populations", "n_tfsi_layer_interval", 2, {"N(TFSI"}),
        ("free_energy_profiles", "tfsi_K", 1.5, {"F(TFSI)"}),
        ("equilibration", "equilibrated", 0, {"equilibrated"}),
    ],
)
def test_a_wrong_number_is_found(part: str, key: str, factor: float, names: set[str]) -> None:
    runs, hottest = deepcopy(right()), next(iter(known()))
    runs[hottest][part][key] = (np.array(runs[hottest][part][key]) * factor).tolist()
    assert failed(runs, kinetics()) == {f"{name} {hottest}" for name in names}


def test_a_single_unexpected_entry_is_tolerated() -> None:
    runs, coldest = right(), list(known())[-1]
    runs[coldest]["transitions"]["s_in_li_ceramic"] = 1
    assert failed(runs, kinetics()) == set()
    runs[coldest]["transitions"]["s_in_li_ceramic"] = 30
    assert f"S_t {coldest}" in failed(runs, kinetics())


@pytest.mark.parametrize("wrong", [{}, {"level": 0.95}])
def test_a_missing_prediction_fails(wrong: dict[str, Any]) -> None:
    assert failed(right(), wrong) == {f"Γ {list(known())[-1]}"}


def test_the_interval_of_a_prediction_follows_its_level() -> None:
    joint = kinetics()
    key = next(key for key in joint if key.endswith("K_per_s"))
    joint[key] *= 3.0
    joint[key.replace("_per_s", "_interval_per_s")] = [joint[key] / 2, joint[key] * 2]
    # 95 % reach a factor of 2, 99.98 % one of 3.7
    assert failed(right(), joint) == set()
    joint[key] *= 2
    joint[key.replace("_per_s", "_interval_per_s")] = [joint[key] / 2, joint[key] * 2]
    assert failed(right(), joint) == {f"Γ {list(known())[-1]}"}


def test_exchange_starts_where_the_ions_do_and_ends_in_balance() -> None:
    ions = Ions(cations=1000, inside=0.2)
    early = expected_exchange(LANDSCAPE, ions, 700, 3e9, (0.0, 1e-9))
    late = expected_exchange(LANDSCAPE, ions, 700, 3e9, (50.0, 60.0))
    assert early.inside == pytest.approx(200)
    assert early.entries > 3 * early.exits
    assert late.inside == pytest.approx(late.equilibrium)
    assert late.entries == pytest.approx(late.exits)
    assert late.inside_error < 0.5 * early.inside_error


def test_two_starts_must_close_their_known_gap_in_every_layer() -> None:
    settings = SETTINGS.model_copy(update={"second_start": 0.95})
    gaps, seen = (200, 80, 120), (1.0, -2.0, 3.0)
    layers = [
        {"gap": gap, "difference": one, "difference_error": 1.0} for gap, one in zip(gaps, seen, strict=True)
    ]
    starts = {"kind": "equilibrated from both sides", "layers": layers}

    def failed(changed: dict[str, Any]) -> list[str]:
        checks = compare(LANDSCAPE, settings, known(), right(), kinetics(), starts=changed)
        return [check["quantity"] for check in checks if not check["holds"]]

    assert failed(starts) == []
    apart = deepcopy(starts) | {"kind": "not equilibrated"}
    apart["layers"][2]["difference"] = 5.0
    assert failed(apart) == ["D of two starts, layer 2", "equilibrated from both sides"]
    lost = deepcopy(starts)
    lost["layers"][1]["gap"] = 79
    assert failed(lost) == ["gap of two starts, sum of layers"]
