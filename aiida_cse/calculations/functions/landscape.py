"""Validation with a known landscape: its system, the expected results of its runs, and their comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import calcfunction

from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.data.reduction import CseReductionData
from aiida_cse.data.system import CseSystemData
from aiida_cse.landscape.checks import compare, not_checked
from aiida_cse.landscape.crossing import compare as compare_with_exact
from aiida_cse.landscape.expected import expected_runs
from aiida_cse.landscape.model import Landscape, draw_landscape
from aiida_cse.landscape.settings import ValidationSettings
from aiida_cse.landscape.system import landscape_system

__all__ = ["compare_crossing", "compare_landscape", "draw_known_landscape", "expect_landscape"]

#: Å outside the planes of the slab to which the cations of the second start reach, so that both starts are apart
#: near the surface as well
_BEYOND = 1.0


@calcfunction
def draw_known_landscape(seed: orm.Int, settings: orm.Dict) -> dict[str, Any]:
    """Return the `landscape` of a seed and the `system` that LAMMPS is to run, off equilibrium.

    With a second start, `filled` is the same system with that fraction of the cations inside the slab, where they
    reach 1 Å beyond its planes.

    :param seed: of the landscape and of the places of the ions.
    :param settings: see ValidationSettings.
    """
    asked = ValidationSettings.model_validate(settings.get_dict())
    landscape = draw_landscape(seed.value, asked.world)
    system = landscape_system(asked.planted.applied(landscape), asked.ions, seed.value)
    drawn: dict[str, Any] = {"landscape": orm.Dict(landscape.model_dump()), "system": CseSystemData(system)}
    if asked.second_start is not None:
        ions = asked.ions.model_copy(update={"inside": asked.second_start})
        filled = landscape_system(asked.planted.applied(landscape), ions, seed.value, beyond=_BEYOND)
        drawn["filled"] = CseSystemData(filled)
    return drawn


@calcfunction
def expect_landscape(
    landscape: orm.Dict,
    settings: orm.Dict,
    plan: orm.Dict,
    analysis: orm.Dict,
    seed: orm.Int,
    sampling: orm.Dict | None = None,
) -> orm.Dict:
    """Return the expected results of the runs as `runs`, the hottest first: see ExpectedRun.

    :param landscape: the energies of the landscape.
    :param settings: see ValidationSettings.
    :param plan: of the productions; gives their length and the time between frames.
    :param analysis: the settings of the analysis; gives the time that it leaves out.
    :param seed: of the reference.
    :param sampling: of the productions; gives the lags of the displacements, none without it.
    """
    lags = () if sampling is None else sampling.get("lags_ps", ())
    runs = expected_runs(
        Landscape.model_validate(landscape.get_dict()),
        ValidationSettings.model_validate(settings.get_dict()),
        frame_fs=plan["frame_ps"] * 1000,
        start_ns=AnalysisSettings.model_validate(analysis.get_dict()).start_ns,
        end_ns=plan["length_ps"] / 1000,
        seed=seed.value,
        lag_ps=lags[0] if lags else None,
    )
    return orm.Dict({"runs": runs})


@calcfunction
def compare_landscape(
    landscape: orm.Dict,
    settings: orm.Dict,
    expected: orm.Dict,
    kinetics: orm.Dict,
    plan: orm.Dict | None = None,
    starts: orm.Dict | None = None,
    **runs: Any,
) -> orm.Dict:
    """Return `checks`, one record each (see Check), `failed` (those that do not hold) and `holds`.

    `not_checked` lists what the runs have no results for: they are of an earlier version.

    :param landscape: the energies of the landscape.
    :param settings: see ValidationSettings.
    :param expected: the expected results of the runs.
    :param kinetics: the joint result of the runs, empty if there is none.
    :param plan: of the productions.
    :param starts: the judgement of both starts at the highest temperature.
    :param runs: the results of each production by its label.
    """
    labels = sorted(runs, key=lambda label: -runs[label]["transitions"]["temperature_K"])
    found = {label: _contents(runs[label]) for label in labels}
    asked = None if plan is None else plan.get_dict()
    checks = compare(
        Landscape.model_validate(landscape.get_dict()),
        ValidationSettings.model_validate(settings.get_dict()),
        dict(zip(labels, expected["runs"], strict=True)),
        found,
        kinetics.get_dict(),
        asked,
        None if starts is None else starts.get_dict(),
    )
    failed = [f"{check['quantity']} of {check['run']}" for check in checks if not check["holds"]]
    left_out = not_checked(found, asked)
    return orm.Dict({"checks": checks, "failed": failed, "holds": not failed, "not_checked": left_out})


@calcfunction
def compare_crossing(
    landscape: orm.Dict, settings: orm.Dict, plan: orm.Dict, crossing: orm.Dict, profile: orm.ArrayData
) -> orm.Dict:
    """Return `checks` of a crossing, one record each (see Check), `failed` and `holds`.

    :param landscape: the energies of the landscape.
    :param settings: see ValidationSettings.
    :param plan: of the crossing.
    :param crossing: the rate that it found.
    :param profile: the free energy that it found.
    """
    found = _contents({"crossing": crossing, "profile": profile})
    level = ValidationSettings.model_validate(settings.get_dict()).level
    known = Landscape.model_validate(landscape.get_dict())
    checks = compare_with_exact(known, found["crossing"], found["profile"], plan["structures"], level)
    failed = [check["quantity"] for check in checks if not check["holds"]]
    return orm.Dict({"checks": checks, "failed": failed, "holds": not failed})


def _contents(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results as plain values: dictionaries with the arrays of a node, and the state of a reduction."""
    found: dict[str, Any] = {}
    for name, node in results.items():
        if isinstance(node, CseReductionData):
            found[name] = node.get_state()
        elif isinstance(node, orm.ArrayData):
            arrays = {key: node.get_array(key) for key in node.get_arraynames()}
            found[name] = {
                key: value for key, value in node.base.attributes.all.items() if "|" not in key
            } | arrays
        else:
            found[name] = node.get_dict()
    return found
