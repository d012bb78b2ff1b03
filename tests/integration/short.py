"""The demo's study at the length of a test: every part runs, on real LAMMPS, in about a minute."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from aiida import orm

from aiida_cse.building.recipe import load_recipe
from aiida_cse.data.system import CseSystemData
from aiida_cse.workchains.common.builders import Codes
from aiida_cse.workchains.common.protocol import merge
from aiida_cse.workchains.production import ProductionWorkChain
from aiida_cse.workchains.study import StudyWorkChain

#: thousand-fold shorter than a study; settings and order of the stages are the demo's
SHORT: dict[str, Any] = {
    "ceramic": {
        "schedule": {
            "stages_per_job": 3,
            "stages": [
                {"name": "minimize", "kind": "minimize", "max_iterations": 50},
                {"name": "ramp", "kind": "nvt", "duration_ps": 0.4, "temperature": [100, "target"],
                 "velocities": 100},
                {"name": "crystal", "kind": "npt", "duration_ps": 0.4, "temperature": "target", "pressure": 1,
                 "barostat": "xy-z"},
            ],
        }
    },
    "electrolyte": {
        "schedule": {
            "stages_per_job": 30,
            "stages": [
                {"name": "push_off", "kind": "pushoff", "duration_ps": 2, "timestep_fs": 1,
                 "temperature": "target", "velocities": 300},
                {"name": "minimize", "kind": "minimize", "max_iterations": 200},
                {"name": "settle", "kind": "nvt", "duration_ps": 0.5, "timestep_fs": 1,
                 "temperature": [100, "target"], "velocities": 100},
                {"schedule": "larsen-2011", "max_temperature": 800, "final_temperature": "target",
                 "max_pressure": 20000, "time_scale": 0.001, "shortest_ps": 0.05, "last_ps": 0.1,
                 "stage": {"barostat_fs": 300}},
            ],
        }
    },
    "interface": {
        "schedule": {
            "stages_per_job": 10,
            "stages": [
                {"name": "minimize", "kind": "minimize", "max_iterations": 50, "mobile": "electrolyte"},
                {"name": "polymer", "kind": "npt", "duration_ps": 0.4, "timestep_fs": 1, "temperature": "target",
                 "velocities": "target", "pressure": 1, "barostat": "z", "mobile": "electrolyte"},
                {"name": "relax", "kind": "npt", "duration_ps": 0.4, "timestep_fs": 1, "temperature": "target",
                 "velocities": "target", "pressure": 1, "barostat": "xy-z"},
            ],
        }
    },
    "production": {
        "plan": {"length_ps": 1.2, "segment_ps": 0.6, "frame_ps": 0.02, "settings": {"restart_interval": 100}},
        "sampling": {"block_ps": 0.2, "snapshot_ps": 0.1, "bins": 100},
    },
}  # fmt: skip

#: the electrolyte without the 21 steps, which the studies of the demo's materials run
SETTLED: dict[str, Any] = {"electrolyte": {"schedule": {"stages": SHORT["electrolyte"]["schedule"]["stages"][:3]}}}

OPTIONS = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}}

#: looks at the end of every segment
EQUILIBRATED = {"rule": "equilibrated", "first_look_ns": 0.0006, "growth": 1}


def short_study(
    codes: Codes,
    *,
    temperatures: list[float],
    replicas: int = 1,
    recipe: str = "llzo-peo-litfsi-demo",
    overrides: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    """Return the builder of a short study of a shipped recipe, with overrides of its own."""
    builder = StudyWorkChain.get_builder_from_protocol(
        codes=codes,
        recipe=load_recipe(recipe),
        protocol="demo",
        overrides=merge(SHORT, overrides) | {"temperatures": temperatures, "replicas": replicas},
        options=OPTIONS,
    )
    builder.metadata.label = "short"
    return builder


def short_production(
    codes: Codes,
    system: CseSystemData,
    *,
    recipe: dict[str, Any] | orm.Dict,
    temperature: float = 500.0,
    settings: Mapping[str, Any] = MappingProxyType({}),
    **plan: Any,
) -> Any:
    """Return the builder of a short production of an interface; the recipe gives the seed of the velocities."""
    overrides = {"plan": plan, "analysis": {"settings": dict(settings)}}
    return ProductionWorkChain.get_builder_from_protocol(
        codes=codes,
        recipe=recipe,
        system=system,
        temperature=temperature,
        protocol="demo",
        overrides=merge(SHORT["production"], overrides),
        options=OPTIONS,
    )


def jobs(node: orm.WorkChainNode, process_type: str) -> list[orm.CalcJobNode]:
    """Return the jobs of this type that a process has started."""
    return [job for job in node.called_descendants if job.process_type == f"aiida.calculations:{process_type}"]
