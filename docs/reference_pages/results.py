"""The page on the result nodes, from their documentation in the code, checked against the keys that it writes."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from aiida_cse.analysis.comparison import COMPARISON, compare
from aiida_cse.analysis.crossing.documents import CROSSING as CROSSING_NODE
from aiida_cse.analysis.crossing.documents import CROSSING_PROFILE, TRANSMISSION
from aiida_cse.analysis.crossing.observations import CROSSING, CROSSING_RECORD
from aiida_cse.analysis.kinetics import KINETICS, OBSERVATION_RECORD, PARTS, kinetics
from aiida_cse.analysis.production import FACT_KEYS, REGION_KEYS, ReducedProduction
from aiida_cse.analysis.registry import Documented, Keys, Observable, analyse, observables
from aiida_cse.analysis.shifts import SHIFTS, shifts
from aiida_cse.analysis.starts import STARTS, STARTS_LAYER, both_starts
from aiida_cse.analysis.transitions import SENSITIVITY_RECORD
from aiida_cse.calculations.functions.records import (
    CHANGE_RECORD,
    FROM_RESULTS,
    LOOK_RECORD,
    OF_EQUILIBRATION,
    STAGE_RECORD,
    STAGES,
    collect_looks,
    collect_stages,
    join_changes,
    look_record,
)
from aiida_cse.calculations.lammps import THERMO_HELP
from aiida_cse.data.forcefield import FORCEFIELD, CseForceFieldData
from aiida_cse.data.reduction import REDUCTION, CseReductionData
from aiida_cse.data.system import SYSTEM
from aiida_cse.lammps.files.system import SystemInfo
from aiida_cse.lammps.log.reader import RunTable, StageRecord, summarize_stage
from aiida_cse.parsers.lammps import RESULTS, LammpsStageParser
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.state import State
from aiida_cse.reduction.system import IonDescription, SystemDescription
from aiida_cse.workchains.base import LammpsBaseWorkChain
from reference_pages.markdown import code, section, table

__all__ = ["page"]

OPENING = (
    "The contents of the result nodes. The unit is in the key or in the second column; an unknown number is "
    "`null`. Numbers, words and lists are attributes and can be filtered on (`attributes.ec`); arrays "
    "are read with `get_array`. In the keys `<ion>` is `li` or `tfsi`; `<region>` is one of the five regions "
    "`bulk_left`, `layer_left`, `ceramic`, `layer_right`, `bulk_right`, or `layer` and `bulk` for both sides "
    "together, or `excess`; `<exchange>` is the region whose entries and exits count, `ceramic` for Li+ and "
    "`layer` for TFSI−; `<side>` is `left` or `right`; `<run>` is `hot` or `cold`; `<label>` is the label of an "
    "atom type."
)
COMMON = (
    "Every result of a production contains these facts on the time that was analysed. Those that depend on the "
    "regions also contain their boundaries."
)


def page() -> str:
    """Return the page on the result nodes.

    Raises
    ------
    ValueError
        A documented key is not written, or a written one is not documented.
    """
    parts = []
    for documented, written in _written():
        if wrong := documented.mismatches(written):
            raise ValueError(f"{documented.name}: {'; '.join(sorted(wrong))}")
        parts.append(_node(documented))
    common = section("In every result of a production", COMMON, _table(FACT_KEYS | REGION_KEYS))
    return "\n".join([section("Result nodes", OPENING, level=1), common, *parts, section("thermo", THERMO_HELP)])


def _node(documented: Documented) -> str:
    keys, need = documented.keys, ""
    if isinstance(documented, Observable):
        keys = {key: entry for key, entry in keys.items() if key not in FACT_KEYS | REGION_KEYS}
        need = "" if documented.need is None else f"Only if the reduction holds {documented.need.words}."
    return section(documented.name, documented.description, need, _table(keys))


def _table(keys: Keys) -> str:
    return table(["key", "unit", "meaning"], ((code(key), unit, words) for key, (unit, words) in keys.items()))


# -- keys that the code writes -------------------------------------------------------------------------------


def _written() -> Iterator[tuple[Documented, set[str]]]:
    """Yield the documentation of each node or record with the keys that the code writes."""
    results = analyse(_state(), 700.0)
    for name, observable in observables().items():
        yield observable, set(results[name])
    hot, cold = (ReducedProduction(_state(), temperature) for temperature in (700.0, 400.0))
    measured = {"ion": "Li", "temperature_K": 400.0, "side": "left", "level": 0.95, "rate_in_per_s": 1e5}
    crossing = {CROSSING: measured | {"rate_in_interval_per_s": [3e4, 3e5]}}
    extrapolated = kinetics({"run": {part: results[part] for part in PARTS}, "crossing": crossing})
    yield SENSITIVITY_RECORD, {key for record in results["transitions"]["sensitivity"] for key in record}
    yield KINETICS, set(extrapolated)
    yield OBSERVATION_RECORD, set(extrapolated["observations"][0])
    yield CROSSING_RECORD, set(extrapolated["crossings"][0])
    yield SHIFTS, set(shifts({"hot": hot, "cold": cold}))
    yield COMPARISON, set(compare(hot, cold))
    # their keys are compared with those of a whole crossing in the tests of its WorkChain
    for node in (CROSSING_NODE, CROSSING_PROFILE, TRANSMISSION):
        yield node, set(node.keys)
    judged = both_starts(dict.fromkeys(("filled", "emptied"), results))
    yield STARTS, set(judged)
    yield STARTS_LAYER, set(judged["layers"][0])
    yield STAGES, _literals(collect_stages.__wrapped__) - {"first_step"}
    yield STAGE_RECORD, set(_stage_record())
    yield LOOK_RECORD, _literals(collect_looks.__wrapped__) | _literals(look_record) | set(OF_EQUILIBRATION)
    decided = _literals(LammpsBaseWorkChain._change)
    yield CHANGE_RECORD, decided | set(FROM_RESULTS) | _literals(join_changes.__wrapped__)
    yield RESULTS, _literals(LammpsStageParser._results)
    yield REDUCTION, _literals(CseReductionData.__init__)
    yield SYSTEM, set(SystemInfo.model_fields)
    yield FORCEFIELD, _literals(CseForceFieldData.__init__)


def _state() -> State:
    """Return the state of a small interface in which every ion was everywhere."""
    system = SystemDescription(
        types=np.array([1, 2, 3, 4]),
        molecules=np.array([1, 1, 2, 3]),
        labels=("La", "O", "Li", "N"),
        masses=(138.9, 16.0, 6.9, 14.0),
        charges=(0.0, 0.0, 0.7, -0.7),
        framework=(1,),
        thickness=39.0,
        midplane_offset=0.0,
        box=(10.0, 10.0, 110.0),
        cation=IonDescription("Li", (3,)),
        initial_cations=1,
        anion=IonDescription("TFSI", (4,)),
    )
    sampling = Sampling(timestep_fs=2.0, frame_ps=2.0, block_ps=4, snapshot_ps=2, bins=110)
    config = ReductionConfig.build(system, sampling)
    state = State.empty(config, 0, 18, ions=2)
    state.streams["atoms"] += 1
    state.point_histograms += 1
    state.region_counts += 1
    return state


def _stage_record() -> dict[str, Any]:
    columns = ("step", "temp", "press", "density", "lx", "ly", "lz")
    record = StageRecord("relax", "npt", start=0, target=1, first_step=0, step=1)
    return summarize_stage(record, [RunTable(columns, "relax", [(0.0,) * len(columns)])])


def _literals(function: Callable[..., Any]) -> set[str]:
    """Return the keys of all dictionaries that are written out in a function."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    keys = (key for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys)
    return {key.value for key in keys if isinstance(key, ast.Constant)}
