"""The keys of the result nodes, held against what the code really writes."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from aiida_cse.analysis.comparison import compare
from aiida_cse.analysis.kinetics import PARTS, kinetics
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import analyse
from aiida_cse.analysis.shifts import shifts
from aiida_cse.calculations.functions.records import (
    FROM_RESULTS,
    OF_EQUILIBRATION,
    collect_looks,
    collect_stages,
    join_changes,
    look_record,
)
from aiida_cse.calculations.lammps import THERMO_HELP
from aiida_cse.data.forcefield import CseForceFieldData
from aiida_cse.data.reduction import CseReductionData
from aiida_cse.lammps.files.system import SystemInfo
from aiida_cse.lammps.log.reader import RunTable, StageRecord, summarize_stage
from aiida_cse.parsers.lammps import LammpsStageParser
from aiida_cse.reduction.config import default_config
from aiida_cse.reduction.state import State
from aiida_cse.workchains.base import LammpsBaseWorkChain
from reference_pages.markdown import code, section, table

__all__ = ["page"]

KEYS = Path(__file__).with_name("result_keys.yaml")

#: what the placeholders of the documented keys stand for
PLACEHOLDERS = {
    "<ion>": "(li|tfsi)",
    "<region>": "(bulk_left|layer_left|ceramic|layer_right|bulk_right|layer|bulk|excess)",
    "<exchange>": "(ceramic|layer)",
    "<side>": "(left|right)",
    "<layer>": "(bulk_left|layer_left|surface_left|inside|ceramic|surface_right|layer_right|bulk_right)",
    "<axis>": "(x|y|z)",
    "<run>": "(hot|cold)",
    "<T>": "[0-9]{4}",
    "<label>": "(La|O|Li|N)",
}


def page() -> str:
    """Return the page on the result nodes.

    Raises
    ------
    ValueError
        A key is documented that does not exist, or one exists that is not documented.
    """
    documented = yaml.safe_load(KEYS.read_text(encoding="utf-8"))
    for name, keys in _written().items():
        _compare(name, documented[name]["keys"], keys)
    parts = [_node(name, content) for name, content in documented.items()]
    return "\n".join([section("Result nodes", OPENING, level=1), *parts, section("thermo", THERMO_HELP)])


OPENING = (
    "What the result nodes hold. The unit is in the key, or in the second column; a number that is not known is "
    "`null`. Numbers, words and lists are attributes and can be filtered on (`attributes.ec`); arrays are read "
    "with `get_array`. In the keys `<ion>` is `li` or `tfsi`; `<region>` is one of the five regions `bulk_left`, "
    "`layer_left`, `ceramic`, `layer_right`, `bulk_right`, or `layer` and `bulk` for both sides together, or "
    "`excess`; `<exchange>` is the region whose entries and exits count, `ceramic` for Li+ and `layer` for TFSI−; "
    "`<side>` is `left` or `right`; `<run>` is `hot` or `cold`; `<label>` is the label of an atom type."
)


def _node(name: str, content: dict[str, Any]) -> str:
    rows = ((code(key), unit or "", words) for key, (unit, words) in content["keys"].items())
    return section(name, content["what"], table(["key", "unit", "meaning"], rows))


def _compare(name: str, documented: Iterable[str], written: set[str]) -> None:
    patterns = {key: re.compile(_pattern(key)) for key in documented}
    unknown = [key for key in written if not any(pattern.fullmatch(key) for pattern in patterns.values())]
    absent = [key for key, pattern in patterns.items() if not any(map(pattern.fullmatch, written))]
    if unknown or absent:
        msg = f"{KEYS.name}: {name}: not documented: {sorted(unknown)}; documented, but not written: {absent}"
        raise ValueError(msg)


def _pattern(key: str) -> str:
    pattern = re.escape(key)
    for placeholder, words in PLACEHOLDERS.items():
        pattern = pattern.replace(re.escape(placeholder), words)
    return pattern


# -- what the code writes ------------------------------------------------------------------------------------


def _written() -> dict[str, set[str]]:
    """Return the keys of each node."""
    results = analyse(_state(), 700.0)
    analysed = {name: set(content) for name, content in results.items()}
    extrapolated = kinetics({"run": {part: results[part] for part in PARTS}})
    return analysed | {
        "kinetics": set(extrapolated),
        "shifts": set(
            shifts({"hot": ReducedProduction(_state(), 700.0), "cold": ReducedProduction(_state(), 400.0)})
        ),
        "comparison": set(compare(ReducedProduction(_state(), 700.0), ReducedProduction(_state(), 400.0))),
        "a record of an observation": set(extrapolated["observations"][0]),
        "a record of sensitivity": {key for record in results["transitions"]["sensitivity"] for key in record},
        "stages": _literals(collect_stages.__wrapped__) - {"first_step"},
        "a record of stages": set(_stage_record()),
        "a record of changes": _keys_of_changes(),
        "a record of looks": _literals(collect_looks.__wrapped__) | _literals(look_record) | set(OF_EQUILIBRATION),
        "results": _literals(LammpsStageParser._results) | _literals(LammpsStageParser._start_record),
        "reduction": _literals(CseReductionData.__init__),
        "cse.system": set(SystemInfo.model_fields),
        "cse.forcefield": _literals(CseForceFieldData.__init__),
    }


def _state() -> State:
    """Return the state of a small interface in which every ion was everywhere."""
    config = default_config(
        types=[1, 2, 3, 4],
        molecules=[1, 1, 2, 3],
        labels=["La", "O", "Li", "N"],
        masses=[138.9, 16.0, 6.9, 14.0],
        charges=[0.0, 0.0, 0.7, -0.7],
        framework=[1],
        half_thickness=19.5,
        midplane_offset=0.0,
        box=(10.0, 10.0, 110.0),
        cation_types=[3],
        anion_types=[4],
        initial_cations=1,
        timestep_fs=2.0,
        frame_steps=1000,
        block_ps=4,
        snapshot_ps=2,
        bins=110,
    )
    state = State.empty(config, 0, 8, ions=2)
    state.histograms += 1
    state.point_histograms += 1
    state.region_counts += 1
    return state


def _stage_record() -> dict[str, Any]:
    columns = ("step", "temp", "press", "density", "lx", "ly", "lz")
    record = StageRecord("relax", "npt", start=0, target=1, first_step=0, step=1)
    return summarize_stage(record, [RunTable(columns, "relax", [(0.0,) * len(columns)])])


def _keys_of_changes() -> set[str]:
    decided = _literals(LammpsBaseWorkChain._change)
    return decided | set(FROM_RESULTS) | _literals(join_changes.__wrapped__)


def _literals(function: Callable[..., Any]) -> set[str]:
    """Return the keys of all dictionaries that are written out in a function."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    keys = (key for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys)
    return {key.value for key in keys if isinstance(key, ast.Constant)}
