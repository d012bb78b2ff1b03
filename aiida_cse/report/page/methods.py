"""Recipe and protocol in words, from the settings as they were stored; a setting that is missing is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiida_cse.report.findings import Findings

__all__ = ["Facts", "analysis_facts", "known", "protocol_facts", "recipe_facts"]

Facts = Iterator[tuple[str, str]]
Settings = Mapping[str, Any]

_KSPACE = {"pppm": "pppm", "ewald": "Ewald sums", "none": "none"}
_EXACT = {"True": "continued bit for bit", "False": "not continued bit for bit"}
_RULES = {
    "core": "an ion is counted when it enters the core of another region",
    "snapshot": "membership in snapshots",
}


def recipe_facts(recipe: Settings) -> Facts:
    """Yield what a recipe says of ceramic, polymer, salt, force field and seeds."""
    ceramic, polymer, salt = (_part(recipe, name) for name in ("ceramic", "polymer", "salt"))
    forcefield = _part(recipe, "forcefield")
    yield "recipe", _joined(": ", recipe.get("name"), recipe.get("description"))
    yield "ceramic", _ceramic(ceramic)
    ends = _joined(" and ", *polymer.get("end_groups") or ())
    yield (
        "polymer",
        _joined(
            ", ",
            _with("{} chains", polymer.get("chains")),
            polymer.get("name"),
            _with("{} repeat units", polymer.get("length")) + _with(" {}", polymer.get("repeat_unit")),
            _with("ends {}", ends),
        ),
    )
    anion = _with("anion {}", _part(salt, "anion").get("name"))
    yield "salt", _joined(", ", _with("{} ion pairs", salt.get("pairs")), salt.get("name"), anion)
    roles = ("ceramic", "polymer", "salt", "cross")
    sets = [f"{role} {forcefield[role]}" for role in roles if isinstance(forcefield.get(role), str)]
    variants = [f"{name} {chosen}" for name, chosen in _part(forcefield, "variants").items()]
    yield (
        "force field",
        _joined(
            ", ",
            *sets,
            *variants,
            _with("mixing {}", forcefield.get("mixing")),
            _with("charges of the salt × {}", forcefield.get("salt_charge_scale")),
            _with("mass of hydrogen {} g/mol", forcefield.get("hydrogen_mass")),
        ),
    )
    yield "seeds", _joined(", ", *(f"{name} {seed}" for name, seed in _part(recipe, "seeds").items()))


def _ceramic(ceramic: Settings) -> str:
    structure = ceramic.get("structure")
    crystal = structure if isinstance(structure, str) else ""
    if isinstance(structure, Mapping):
        crystal = _joined(
            ", ", _with("space group {}", structure.get("spacegroup")), _with("a = {} Å", structure.get("a"))
        )
    plane = "".join(map(str, ceramic.get("miller") or ()))
    cells = "×".join(map(str, ceramic.get("repeat") or ()))
    return _joined(
        ", ",
        crystal,
        _with("({}) slab", plane),
        _with("{} unit cells", cells),
        _with("cut at {} of the cell", ceramic.get("shift")),
        _with("mobile {}", ceramic.get("mobile")),
        _with("framework {}", _joined(", ", *ceramic.get("framework") or ())),
    )


def protocol_facts(findings: Findings) -> Facts:
    """Yield how the production ran, its electrostatics, and how the phases before it were equilibrated."""
    settings = findings.provenance.settings
    temperatures = ", ".join(f"{temperature:g}" for temperature in findings.temperatures)
    count = len(findings.runs)
    yield "temperatures", f"{temperatures} K; {count} run{'' if count == 1 else 's'}" if temperatures else ""
    plan = settings.get("production.plan", settings.get("plan", {}))
    own = [f"{length:g} ps at {temperature:g} K" for temperature, length in plan.get("lengths") or ()]
    production = _joined(
        ", ",
        _with("NVT for {} ps", plan.get("length_ps")),
        *own,
        _with("segments of {} ps", plan.get("segment_ps")),
        _with("timestep {} fs", plan.get("timestep_fs")),
        _with("thermostat {}", plan.get("thermostat")) + _with(" ({} fs)", plan.get("thermostat_fs")),
        _with("a frame every {} ps", plan.get("frame_ps")),
        _with("of all atoms every {} ps", plan.get("all_atoms_ps")),
    )
    yield "production", production
    stop = _part(plan, "stop")
    rules = {
        "fixed": "at its length",
        "equilibrated": _joined(
            ", ",
            _with("after {} consecutive positive verdicts", stop.get("confirmations")),
            _with("first look at {} ns", stop.get("first_look_ns")),
            _with("the next later by a factor of {}", stop.get("growth")),
            _with("at the latest after {} ps", plan.get("length_ps")),
        ),
    }
    yield "end of a run", rules.get(str(stop.get("rule")), "")
    yield "forces", _forces(_part(plan, "settings"))
    for phase in ("ceramic", "electrolyte", "interface"):
        schedule = settings.get(f"{phase}.schedule", {})
        stages = [stage.get("name") or stage.get("schedule") for stage in schedule.get("stages") or ()]
        yield f"equilibration of the {phase}", _joined(", ", *stages)
    world = findings.validation.get("settings", {})
    yield "known landscape", _joined(", ", world.get("world"), _with("seed {}", findings.validation.get("seed")))


def _forces(run: Settings) -> str:
    style = run.get("kspace_style")
    accuracy = None if style == "none" else run.get("kspace_accuracy")
    return _joined(
        ", ",
        _with("cutoff {} Å", run.get("cutoff")),
        _with("long-range electrostatics: {}", _KSPACE.get(style, style) if isinstance(style, str) else None),
        _with("relative accuracy {}", accuracy),
        _with("skin {} Å", run.get("skin")),
        _EXACT.get(str(run.get("exact")), ""),
        _with("accelerator {}", run.get("accelerator") if run.get("accelerator") != "none" else None),
    )


def analysis_facts(findings: Findings) -> Facts:
    """Yield what was sampled, from which time, by which rule and with which criteria, of the hottest run."""
    run = next(iter(findings.runs.values()), None)
    if run is None:
        return
    results = run.results
    sampling, settings = results.sampling, results.settings
    yield (
        "frames",
        f"{sampling.frames:,}, one every {sampling.frame_ps:g} ps; snapshots every {sampling.snapshot_ps:g} ps",
    )
    start, end = settings.get("start_ns") or 0, settings.get("end_ns")
    yield "analysed time", f"from {start:g} ns to {'the end' if end is None else f'{end:g} ns'}"
    rule = str(settings.get("rule"))
    yield "transitions", _joined(": ", f"rule {rule}", _RULES.get(rule))
    yield "blocks of time", f"{sampling.block_ps:g} ps, for errors and net fluxes"
    yield "bins", f"{sampling.bins} along z" + _with(", {} Å wide", sampling.bin_width_A)
    for name, ion in results.system.ions.items():
        bounds = ", ".join(f"{edge:.1f}" for edge in ion.regions_A).replace("-", "−")
        yield f"regions of {name}", f"{bounds} Å from the mid-plane of the slab; {ion.number} ions"
    yield (
        "criteria",
        _joined(
            ", ",
            _with("EC ≥ {}", settings.get("minimum_coefficient")),
            _with("its lower bound ≥ {}", settings.get("minimum_lower_bound"))
            + _with(" (level {})", settings.get("bound_level")),
            _with("significance of net flux and drift {}", settings.get("significance")),
            _with("λ = {}", settings.get("lam")),
        ),
    )
    yield "intervals", _with("level {}", settings.get("level"))


def _part(settings: Settings, name: str) -> Settings:
    found = settings.get(name)
    return found if isinstance(found, Mapping) else {}


def _with(words: str, value: Any) -> str:
    """Return words with a value in them, nothing if it is not known."""
    if value is None or value == "":
        return ""
    return words.format(f"{value:g}" if isinstance(value, float) else value)


def _joined(between: str, *parts: Any) -> str:
    return between.join(str(part) for part in parts if part not in (None, ""))


def known(facts: Facts) -> Sequence[tuple[str, str]]:
    """Return the facts that say something."""
    return [(name, words) for name, words in facts if words]
