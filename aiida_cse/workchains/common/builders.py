"""Inputs of builders: codes, recipes, numbers, and metadata of jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any

from aiida import orm
from aiida.common.datastructures import StashMode
from aiida.engine import PortNamespace, ProcessBuilder
from typing_extensions import NotRequired, TypedDict

from aiida_cse.building.recipe import Recipe
from aiida_cse.calculations.lammps import LammpsStageCalculation
from aiida_cse.schema import located, nearest
from aiida_cse.workchains.common.forcefields import forcefield_nodes, with_stored_sets
from aiida_cse.workchains.common.options import STASHED, checked_options
from aiida_cse.workchains.common.ports import SEEDS
from aiida_cse.workchains.common.protocol import merge

__all__ = [
    "PLUGINS",
    "Codes",
    "base_inputs",
    "build_inputs",
    "builder_inputs",
    "job_options",
    "located_part",
    "one_process",
    "real",
    "recipe_node",
    "refuse_invalid",
    "refuse_other_roles",
    "refuse_wrong_codes",
    "single_metadata",
    "velocity_seed",
    "whole",
]

#: prefix by AiiDA of the message of a validator when an input of a builder is set
_PREFIX = "invalid attribute value "
#: options of the LAMMPS runs alone: files of runs, and arguments for MPI
_OF_RUNS = ("stash", "mpirun_extra_params")
#: largest budget of interruptions or recovery steps of a run
_MOST_FAILURES = 1000


class Codes(TypedDict):
    """The codes of a study by role: LAMMPS, the command ``aiida-cse``, and programs that a protocol may need."""

    lammps: orm.AbstractCode
    cse: orm.AbstractCode
    moltemplate: NotRequired[orm.AbstractCode]
    emc: NotRequired[orm.AbstractCode]
    emc_setup: NotRequired[orm.AbstractCode]


def recipe_node(recipe: dict[str, Any] | orm.Dict | Recipe) -> orm.Dict:
    """Return the recipe as a node, with all defaults and the force-field sets of the profile written out.

    Raises
    ------
    ValueError
        The recipe is wrong; the message names field, value and remedy.
    """
    content = recipe.get_dict() if isinstance(recipe, orm.Dict) else recipe
    if not isinstance(content, Recipe):
        with located("recipe"):
            content = Recipe.model_validate(with_stored_sets(content))
    complete = content.model_dump(mode="json")
    if isinstance(recipe, orm.Dict) and recipe.get_dict() == complete:
        return recipe
    return orm.Dict(complete)


def build_inputs(
    codes: Codes, recipe: orm.Dict, inputs: Mapping[str, Any], options: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the inputs of a building job except its component; the recipe must be complete.

    ``inputs`` are those of the protocol of its part, as for :func:`single_metadata`.
    """
    refuse_wrong_codes(codes)
    return {
        "code": codes["cse"],
        "recipe": recipe,
        "forcefield": forcefield_nodes(recipe),
        "metadata": single_metadata(codes["cse"], inputs, options, "build"),
    }


def base_inputs(codes: Codes, base: dict[str, Any] | None, options: dict[str, Any] | None) -> dict[str, Any]:
    """Return the inputs of the restart chain: code, options, monitors, budgets, plausibility limits."""
    refuse_wrong_codes(codes)
    protocol = base or {}
    code = codes["lammps"]
    run_options = job_options(code, protocol.get("options"), options)
    inputs: dict[str, Any] = {"lammps": {"code": code, "metadata": {"options": run_options}}}
    if "monitors" in protocol:
        inputs["lammps"]["monitors"] = _monitors(protocol["monitors"])
    for name in ("max_failures", "max_changes"):
        if name in protocol:
            inputs[name] = whole(f"base.{name}", protocol[name], 0, _MOST_FAILURES)
    if "sanity" in protocol:
        inputs["sanity"] = orm.Dict(protocol["sanity"])
    return inputs


def _monitors(given: Any) -> dict[str, orm.Dict]:
    """Return the monitors of LAMMPS jobs by name.

    Raises
    ------
    ValueError
        They are no mapping of names to monitors of AiiDA; the message names the wrong one.
    """
    example = "such as {thermo: {entry_point: cse.thermo}}"
    if not isinstance(given, Mapping):
        raise ValueError(f"base.monitors = {given!r}: must be a mapping, {example}")
    for name, monitor in given.items():
        if not isinstance(monitor, Mapping) or not str(name).isidentifier():
            raise ValueError(f"base.monitors.{name} = {monitor!r}: must be a name with a mapping, {example}")
    monitors = {str(name): orm.Dict(dict(monitor)) for name, monitor in given.items()}
    wrong = LammpsStageCalculation.spec().inputs["monitors"].validate(monitors)
    if wrong is not None:
        raise ValueError(f"base.monitors: {wrong.message}; give a registered monitor, {example}")
    return monitors


def refuse_wrong_codes(codes: Any) -> None:
    """Refuse missing codes and codes of another role before any job runs with them.

    Raises
    ------
    ValueError
        A code is missing or wrong; the message names role and code.
    """
    if not isinstance(codes, Mapping) or not set(codes) >= {"lammps", "cse"}:
        given = ", ".join(map(str, codes)) if isinstance(codes, Mapping) else repr(codes)
        raise ValueError(f"codes = {given or 'none'}: must be a mapping with the codes lammps and cse")
    refuse_other_roles(codes)


def refuse_other_roles(codes: Mapping[str, Any]) -> None:
    """Refuse codes under unknown roles, and codes of another role.

    Raises
    ------
    ValueError
        The message names role and code.
    """
    for role, code in codes.items():
        if role not in PLUGINS:
            raise ValueError(f"codes: {role!r} is no role; {nearest(str(role), PLUGINS)}")
        if not isinstance(code, orm.AbstractCode):
            raise ValueError(f"codes.{role} = {code!r}: must be a code of AiiDA, as load_code returns it")
        plugin = code.default_calc_job_plugin
        fitting = [name for name, plugins in PLUGINS.items() if plugin in plugins]
        if fitting and role not in fitting:
            others = " or ".join(f"codes.{name}" for name in fitting)
            raise ValueError(f"codes.{role} = {code.full_label}: a code of {plugin} is one for {others}")


#: the plugins of codes by role
PLUGINS = {
    "lammps": ("cse.lammps", "lammps.raw", "lammps.base"),
    "cse": ("cse.build", "cse.reduce"),
    "moltemplate": ("cse.moltemplate",),
    "emc": ("cse.emc",),
    "emc_setup": ("cse.emc",),
}


def velocity_seed(recipe: dict[str, Any] | orm.Dict) -> Any:
    """Return the seed of the velocities of a recipe.

    Raises
    ------
    ValueError
        The recipe has no such seed.
    """
    content = recipe.get_dict() if isinstance(recipe, orm.Dict) else recipe
    seeds = content.get("seeds") if isinstance(content, Mapping) else None
    if not isinstance(seeds, Mapping) or "velocities" not in seeds:
        raise ValueError(f"recipe.seeds = {seeds!r}: must be a mapping with the key velocities")
    return whole("recipe.seeds.velocities", seeds["velocities"], 1, SEEDS - 1)


@contextmanager
def located_part(name: str) -> Iterator[None]:
    """Prefix a ValueError about the inputs of a part of a study with the name of the part."""
    with located(name):
        try:
            yield
        except ValueError as error:
            raise ValueError(str(error).removeprefix(_PREFIX)) from error


def real(name: str, value: Any) -> orm.Float:
    """Return a number as a Float node; whole numbers are accepted.

    Raises
    ------
    ValueError
        The value is no number; the message names it.
    """
    if isinstance(value, orm.Float):
        return value
    if isinstance(value, bool) or not isinstance(value, (Real, orm.Int)):
        raise ValueError(f"{name} = {value!r}: give a number")
    return orm.Float(float(value))


def whole(name: str, value: Any, least: int, most: int) -> orm.Int:
    """Return a whole number as an Int node.

    Raises
    ------
    ValueError
        The value is no whole number from ``least`` to ``most``; the message names it.
    """
    number = value.value if isinstance(value, orm.Int) else value
    if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
        raise ValueError(f"{name} = {number!r}: give a whole number from {least} to {most}")
    return value if isinstance(value, orm.Int) else orm.Int(number)


def single_metadata(
    code: orm.AbstractCode, inputs: Mapping[str, Any], options: dict[str, Any] | None, job: str
) -> dict[str, Any]:
    """Return the metadata of a job beside the LAMMPS runs of its part, which runs as one process.

    A site that demands a qos, a constraint or a module demands it of this job, too. It therefore gets the options
    of the runs, except those for several processes and the stash.

    Parameters
    ----------
    code
        The code of the job.
    inputs
        Inputs of the protocol of its part: ``base.options`` are those of the runs.
    options
        Options of the user for all jobs, over those of the part.
    job
        Its key among the inputs, whose ``options`` are of this job alone, over all others. Only ``lammps`` may run
        with MPI.

    Raises
    ------
    ValueError
        An option is unknown or wrong, or does not suit the scheduler of the code.
    """
    shared = one_process(job_options(code, (inputs.get("base") or {}).get("options"), options))
    with located(job):
        own = checked_options((inputs.get(job) or {}).get("options"))
    if "stash" in own:
        raise ValueError(f"{job}.options.stash: only LAMMPS jobs have files to stash; give it in base.options")
    metadata = checked_options(merge(shared, own), code)
    if job != "lammps":
        metadata["withmpi"] = False
    return {"options": metadata}


def job_options(
    code: orm.AbstractCode, given: dict[str, Any] | None, options: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the options of LAMMPS jobs: the user's over those given before; MPI as set in the code.

    Raises
    ------
    ValueError
        An option is unknown or wrong, or does not suit the scheduler of the code.
    """
    both = merge(checked_options(given), checked_options(options))
    if "stash" in both:
        both["stash"] = {"stash_mode": StashMode.COPY.value, "source_list": list(STASHED), **both["stash"]}
    return checked_options(both if code.with_mpi is None else {"withmpi": code.with_mpi, **both}, code)


def one_process(options: dict[str, Any]) -> dict[str, Any]:
    """Return options for one process, without the options of runs alone."""
    kept = {key: value for key, value in options.items() if key not in _OF_RUNS}
    given = options.get("resources", {})
    if "tot_num_mpiprocs" in given and "num_machines" not in given:  # schedulers that count slots instead of nodes
        return {**kept, "resources": {**given, "tot_num_mpiprocs": 1}}
    return {**kept, "resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}}


def builder_inputs(builder: Any, namespace: PortNamespace) -> dict[str, Any]:
    """Return the inputs set in a builder that have ports in ``namespace``."""
    known: dict[str, Any] = {}
    for key, value in _given(builder).items():
        port = namespace.get(key)
        if isinstance(port, PortNamespace) and not port.dynamic and isinstance(value, dict):
            known[key] = builder_inputs(value, port)
        elif port is not None:
            known[key] = value
    return known


def refuse_invalid(builder: ProcessBuilder) -> None:
    """Validate the inputs of a builder before it is submitted.

    Raises
    ------
    ValueError
        An input is missing or wrong, or inputs are inconsistent; the message names the input.
    """
    spec = builder.process_class.spec()
    wrong = spec.inputs.validate(spec.inputs.pre_process(_given(builder)))
    if wrong is not None:
        raise ValueError(wrong.message)


def _given(value: Any) -> Any:
    """Return the inputs that are set in a builder, without its empty namespaces."""
    if not isinstance(value, Mapping):
        return value
    inner = {key: _given(item) for key, item in value.items()}
    return {key: item for key, item in inner.items() if not isinstance(item, dict) or item}
