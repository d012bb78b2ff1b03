"""Turn the plan of a job into a LAMMPS input script that can start, resume and stop anywhere.

The script skips what the checkpoint it resumes from has already done: every stage is guarded by its last step,
and what happens once at the start of a stage (velocities) by its first. A line that begins with ``CSE`` tells
the log reader which stage started, which step it reached and which restart file was written whole.
"""

from __future__ import annotations

from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, FILENAMES, WALL_MOLECULE
from aiida_cse.lammps.job.recovery import NEIGHBOURS, careful_commands, relax_commands, usual_commands
from aiida_cse.lammps.protocol.stage import JobPlan, RunSettings, Span, Stage

__all__ = ["FINAL_DATA", "LOG", "START_FILE", "TRAJECTORY", "kspace_commands", "render_script"]

#: written by the prologue of the job: the time limit, and the data or restart file to go on from
START_FILE = "start.in"
#: written by the job itself at every checkpoint: whether its time is up
CLOCK = "clock.in"
#: the log of the job
LOG = "log.lammps"
#: the system at the end of the job
FINAL_DATA = "final.data"
#: unwrapped coordinates of all atoms, sorted by ID
TRAJECTORY = "trajectory.dcd"

THERMO_COLUMNS = "step temp press pe ke etotal econserve vol density lx ly lz pxx pyy pzz"
THERMO_FORMAT = "thermo_modify line yaml flush yes lost error"
#: column of a stage that holds the ceramic: by how much the atom that moved most has moved, Å
HELD_SHIFT = "held_shift"

#: how many checkpoints of a stage stay; the older ones are there for when the newest is not whole
KEPT_CHECKPOINTS = 3

#: soft potential of the push-off: range in Å, and its final prefactor in kcal/mol
SOFT_RANGE, SOFT_PREFACTOR = 2.5, 60.0
#: the seed of noise that starts anew: two primes make it differ from run to run and from step to step, and LAMMPS
#: takes none above 9e8
SEED_FACTOR, STEP_FACTOR, LARGEST_SEED = 7919, 104729, 899_999_963
#: steps after which a run sorts its atoms; where it is to be exact, more than any run has: it sorts where it sets
#: up, which a job that goes on does as well
SORT_EVERY, NEVER = 1000, 10**9
#: edge of the bins by which atoms are sorted and neighbours are found, as a share of the range of the lists; of
#: LAMMPS' own, half the range, each holds so many atoms that most of the distances are measured in vain
BIN_SHARE = 0.25
#: Å; sparse systems have short ranges and would have more bins than atoms
SMALLEST_BIN = 3.0
#: largest displacement of an atom per step during the push-off, Å
PUSHOFF_LIMIT = 0.1


def render_script(plan: JobPlan) -> str:
    """Return the LAMMPS input script of ``plan``.

    The working directory holds the files of a system (:data:`~aiida_cse.lammps.files.system.FILENAMES`) and
    :data:`START_FILE`, which sets the variable ``timeout`` (``off`` or hh:mm:ss).
    """
    blocks = [_opening(plan)]
    for span in plan.spans:
        end = min(span.end, plan.target_step)
        blocks.append(_guarded_stage(span, end, plan))
    blocks.append(_closing())
    return "\n".join(blocks)


def _opening(plan: JobPlan) -> str:
    settings = plan.settings
    return "\n".join(
        [
            "units real",
            "atom_style full",
            "boundary p p p",
            f"atom_modify sort {NEVER if settings.exact else SORT_EVERY} {_bin(settings):g}",
            f"variable cutoff equal {settings.cutoff:g}",
            f"include {START_FILE}",
            *_refuse_earlier_start(plan.needed_step),
            f"include {FILENAMES['forcefield']}",
            *kspace_commands(settings),
            f"neighbor {settings.skin:g} bin",
            f"{NEIGHBOURS} binsize {_bin(settings):g}",
            f"group ceramic molecule {CERAMIC_MOLECULE}",
            f"group wall molecule {WALL_MOLECULE}",
            "group moving subtract all wall",
            "group electrolyte subtract moving ceramic",
            "compute moving_temp moving temp",
            "compute electrolyte_temp electrolyte temp",
            f"thermo_style custom {THERMO_COLUMNS}",
            THERMO_FORMAT,
            f"timer timeout ${{timeout}} every {settings.restart_interval}",
            "variable limited equal $(timeremain > 0)",
            "",
        ]
    )


def _bin(settings: RunSettings) -> float:
    return max(SMALLEST_BIN, BIN_SHARE * (settings.cutoff + settings.skin))


def _refuse_earlier_start(needed: int) -> list[str]:
    """Stop if the checkpoint that this job needs was not there."""
    if needed == 0:
        return []
    words = f"ERROR: no restart file of step {needed} or later to go on from"
    return [f'if "$(step) < {needed}" then "print \'{words}\'" "quit 1"']


def kspace_commands(settings: RunSettings) -> list[str]:
    """Return the commands that choose how the long-range part of the electrostatics is summed."""
    if settings.kspace_style == "none":
        return ["kspace_style none"]
    style = f"kspace_style {settings.kspace_style} {settings.kspace_accuracy:g}"
    if settings.kspace_style == "ewald":
        return [style]
    commands = [style, f"kspace_modify order {settings.kspace_order}"]
    # OPENMP's mesh is made for threads: with one it is slower than the plain one (docs/science/speed.md)
    single = settings.accelerator == "omp" and settings.threads == 1
    return ["suffix off", *commands, "suffix on"] if single else commands


def _guarded_stage(span: Span, end: int, plan: JobPlan) -> str:
    stage = span.stage
    body = _minimize(span) if stage.kind == "minimize" else _dynamics(span, end, plan)
    return "\n".join(
        [
            f"# ---- {stage.name}: steps {span.start} to {end}",
            f'if "$(step) >= {end}" then "jump SELF after_{stage.name}"',
            *_relaxation(span, end, plan),
            f'print "CSE begin={stage.name} kind={stage.kind} start={span.start} target={end} step=$(step:%.0f)'
            f' timestep_fs={stage.timestep_fs:g}"',
            *body,
            f'print "CSE end={stage.name} step=$(step:%.0f)"',
            f'if "$(step) < {end}" then "jump SELF finish"',
            f"label after_{stage.name}",
            "",
        ]
    )


def _fix(stage: Stage) -> str:
    """Return the ID of the stage's fix; the prefix keeps it apart from the groups and computes of the script."""
    return f"stage_{stage.name}"


def _moving_group(stage: Stage) -> str:
    return "moving" if stage.mobile == "all" else "electrolyte"


def _minimize(span: Span) -> list[str]:
    """Minimise; the step counter then says that this stage is done, however many iterations it took.

    A minimisation that the wall time cut short is not done: it starts again from where it came.
    """
    group = _moving_group(span.stage)
    return [
        "restart 0",
        "thermo 50",
        f"group frozen subtract all {group}",
        f"fix {_fix(span.stage)} frozen setforce 0.0 0.0 0.0",
        "min_style cg",
        f"minimize 1e-6 1e-6 {span.stage.max_iterations} {10 * span.stage.max_iterations}",
        f"unfix {_fix(span.stage)}",
        "group frozen delete",
        f'if "$(is_timeout())" then "reset_timestep {span.start}" else "reset_timestep {span.end}"',
        *_checkpoint(),
    ]


def _careful_end(span: Span, end: int, plan: JobPlan) -> int | None:
    """Return the step to which a stage is run with care, None if it is not."""
    if plan.care is None or span.stage.kind == "minimize" or span.start >= plan.care.until_step:
        return None
    return min(end, plan.care.until_step)


def _relaxation(span: Span, end: int, plan: JobPlan) -> list[str]:
    """Let the atoms settle before a stage that is run with care, unless it has come through already."""
    until = _careful_end(span, end, plan)
    if plan.care is None or until is None or not plan.care.relax_steps or span.stage.kind == "pushoff":
        return []
    commands = relax_commands(plan.care, span.stage, _moving_group(span.stage), plan.seed)
    return _skipped_from(until, f"relaxed_{span.stage.name}", commands)


def _skipped_from(step: int, label: str, commands: list[str]) -> list[str]:
    return [f'if "$(step) >= {step}" then "jump SELF {label}"', *commands, f"label {label}"]


def _dynamics(span: Span, end: int, plan: JobPlan) -> list[str]:
    stage, settings = span.stage, plan.settings
    group = _moving_group(stage)
    watch, unwatch = _watched_hold(stage)
    opening, closing = _pushoff(span, plan) if stage.kind == "pushoff" else _integrator(stage, plan.seed)
    return [
        f"timestep {stage.timestep_fs:g}",
        f"thermo {stage.interval(stage.thermo_ps)}",
        *watch,
        f"thermo_modify temp {group}_temp",
        # counted from the start of the stage, as the timer does: a stop in time falls on a checkpoint
        f"variable checkpoint equal stride({span.start},{span.end},{settings.restart_interval})",
        "restart v_checkpoint restart.*",
        *_velocities(span, group, plan.seed),
        *opening,
        *_dump(stage),
        *_runs(span, end, plan),
        *(["undump trajectory"] if stage.trajectory_ps else []),
        # before the fixes go: the state of thermostat and barostat belongs to the checkpoint
        *_checkpoint(),
        *closing,
        *unwatch,
    ]


def _runs(span: Span, end: int, plan: JobPlan) -> list[str]:
    """Run to step ``end``, the first part of the way with care if the plan asks for it."""
    until = _careful_end(span, end, plan)
    usual = [_run(span, end, end, plan.settings)]
    if plan.care is None or until is None:
        return usual
    hold = f"{_fix(span.stage)}_hold" if span.stage.mobile == "electrolyte" else None
    careful = [
        *careful_commands(plan.care, span.stage, hold),
        _run(span, until, end, plan.settings),
        *usual_commands(plan.care),
    ]
    if until == end:
        return careful
    return [*_skipped_from(until, f"usual_{span.stage.name}", careful), *usual]


def _run(span: Span, upto: int, end: int, settings: RunSettings) -> str:
    """Run to step ``upto`` of a stage that ends at ``end``, from checkpoint to checkpoint.

    After each one, those that are old are pruned, and the clock is looked at.

    A job that goes on from a checkpoint sets up anew: LAMMPS wraps the atoms, builds neighbour lists, fits the
    k-space mesh to the box and takes the temperature from the velocities, where a run that does not stop has it
    from the thermostat, which may differ in the last bit. So where a run is to be exact, the one that does not
    stop sets up at every checkpoint as well.
    """
    set_up = "" if settings.exact else "pre no "
    oldest = KEPT_CHECKPOINTS * settings.restart_interval
    commands = (
        f"""if "$(step) < {end}" then "print 'CSE restart=restart.$(step:%.0f)'" """,
        f"shell rm -f restart.$(step-{oldest}:%.0f) ",
        # The timer itself looks at the clock only within a run that is longer than its interval. The clock that
        # counts is that of the first process, which alone writes the file: all must stop together.
        f"print 'variable expired equal $(v_limited && timeremain <= 0)' file {CLOCK} screen no ",
        f"include {CLOCK} ",
        "if ${expired} then 'timer timeout 0' ",
    )
    quoted = (f'"""{command}"""' for command in commands)
    run = f"run {upto} upto start {span.start} stop {span.end} {set_up}post no every {settings.restart_interval}"
    return " ".join([run, *quoted])


def _velocities(span: Span, group: str, seed: int) -> list[str]:
    if span.stage.velocities is None:
        return []
    draw = f"velocity {group} create {span.stage.velocities:g} {seed} mom yes rot no dist gaussian loop geom"
    return [f'if "$(step) == {span.start}" then "{draw}"']


def _pushoff(span: Span, plan: JobPlan) -> tuple[list[str], list[str]]:
    stage = span.stage
    group = _moving_group(stage)
    opening = [
        "kspace_style none",
        f"pair_style soft {SOFT_RANGE}",
        "pair_coeff * * 0.0",
        f"variable {_fix(stage)}_prefactor equal ramp(0.0,{SOFT_PREFACTOR})",
        f"fix {_fix(stage)}_soft all adapt 1 pair soft a * * v_{_fix(stage)}_prefactor",
        f"fix {_fix(stage)} {group} nve/limit {PUSHOFF_LIMIT}",
        f"fix {_fix(stage)}_bath {group} langevin {_ramp(stage.temperature)} {stage.thermostat_fs:g} {plan.seed}",
    ]
    closing = [
        f"unfix {_fix(stage)}_bath",
        f"unfix {_fix(stage)}",
        f"unfix {_fix(stage)}_soft",
        f"include {FILENAMES['forcefield']}",
        *kspace_commands(plan.settings),
    ]
    return opening, closing


def _integrator(stage: Stage, seed: int) -> tuple[list[str], list[str]]:
    """Dynamics with a thermostat; the fix has the stage's name, so that a restart gives it its state back."""
    if stage.thermostat == "langevin":
        return _langevin(stage, seed)
    group = _moving_group(stage)
    bath = f"temp {_ramp(stage.temperature)} {stage.thermostat_fs:g}"
    if stage.kind == "npt":
        bath += f" {_barostat(stage)} dilate {group} fixedpoint 0.0 0.0 0.0"
    opening: list[str] = []
    closing = [f"unfix {_fix(stage)}"]
    if stage.mobile == "electrolyte":
        opening, release = _hold(_fix(stage))
        closing += release
    opening += [
        f"fix {_fix(stage)} {group} {stage.kind} {bath}",
        f"fix_modify {_fix(stage)} temp {group}_temp",
    ]
    if stage.scale_z is not None:
        opening.append(f"fix {_fix(stage)}_box electrolyte deform 1 z scale {stage.scale_z:.12g} remap x")
        closing = [f"unfix {_fix(stage)}_box", *closing]
    return opening, closing


def _langevin(stage: Stage, seed: int) -> tuple[list[str], list[str]]:
    """Langevin dynamics, which pays what its bath takes into the conserved energy.

    By Grønbech-Jensen and Farago, Mol. Phys. 111, 983 (2013); the bath has to come before the integrator. Without
    it LAMMPS draws its noise evenly (Dünweg and Paul, Int. J. Mod. Phys. C 2, 817 (1991)), so that fast ions are
    missing, and with them those that cross a barrier: velocities have a kurtosis of 3 − 1.2 Δt/damping.

    The noise does not go on from a checkpoint. Begun again with the same seed it would repeat itself from segment
    to segment, so the seed depends on the step as well.
    """
    name, group = _fix(stage), _moving_group(stage)
    drawn = f"$(({seed}*{SEED_FACTOR}+step*{STEP_FACTOR})%{LARGEST_SEED}+1:%.0f)"
    opening, release = _hold(name) if stage.mobile == "electrolyte" else ([], [])
    opening = [
        *opening,
        f"fix {name}_bath {group} langevin {_ramp(stage.temperature)} {stage.thermostat_fs:g} {drawn} "
        "tally yes gjf vhalf",
        f"fix {name} {group} nve",
    ]
    return opening, [f"unfix {name}_bath", f"unfix {name}", *release]


def _hold(name: str) -> tuple[list[str], list[str]]:
    """Hold the ceramic where it is, with a pressure that knows of it.

    The forces that hold the atoms are a fix of their own, so that their virial takes out the kinetic pressure
    that a frozen slab no longer has. ``fix rigid`` cannot serve: its virial is complete only after its second
    half step, and whichever of the two is defined first, ``fix npt`` sees half of it in one of its two.
    """
    opening = [
        *(f"variable hold_{axis} atom -f{axis}" for axis in "xyz"),
        f"fix {name}_hold ceramic addforce v_hold_x v_hold_y v_hold_z",
        f"fix_modify {name}_hold virial yes",
    ]
    return opening, [f"unfix {name}_hold"]


def _watched_hold(stage: Stage) -> tuple[list[str], list[str]]:
    """Show by how much the held atoms move: by nothing, or something else moves them."""
    if stage.mobile == "all":
        return [], []
    atoms = f"{_fix(stage)}_shift"
    opening = [
        f"compute {atoms} ceramic displace/atom",
        f"compute {HELD_SHIFT} ceramic reduce max c_{atoms}[4]",
        f"thermo_style custom {THERMO_COLUMNS} c_{HELD_SHIFT}",
        THERMO_FORMAT,
    ]
    closing = [
        f"thermo_style custom {THERMO_COLUMNS}",
        THERMO_FORMAT,
        f"uncompute {HELD_SHIFT}",
        f"uncompute {atoms}",
    ]
    return opening, closing


def _barostat(stage: Stage) -> str:
    pressure = f"{_ramp(stage.pressure)} {stage.barostat_fs:g}"
    axes = {
        "z": f"z {pressure}",
        "x-y-z": f"aniso {pressure}",
        "xy-z": f"x {pressure} y {pressure} z {pressure} couple xy",
        "iso": f"iso {pressure}",
    }
    return axes[stage.barostat or "z"]


def _ramp(value: float | tuple[float, float] | None) -> str:
    if value is None:
        msg = "a stage of dynamics has no temperature or pressure"
        raise ValueError(msg)
    start, end = value if isinstance(value, tuple) else (value, value)
    return f"{start:g} {end:g}"


def _dump(stage: Stage) -> list[str]:
    if stage.trajectory_ps is None:
        return []
    return [
        f"dump trajectory all dcd {stage.interval(stage.trajectory_ps)} {TRAJECTORY}",
        "dump_modify trajectory unwrap yes sort id",
    ]


def _checkpoint() -> list[str]:
    """Write a restart file and say in the log that it is whole."""
    return ["write_restart restart.$(step:%.0f)", 'print "CSE restart=restart.$(step:%.0f)"']


def _closing() -> str:
    return "\n".join(
        [
            "label finish",
            f"write_data {FINAL_DATA} nocoeff",
            'print "CSE finished step=$(step:%.0f) timeout=$(is_timeout():%.0f)"',
            "",
        ]
    )
