"""LAMMPS input script of a job, which can start, resume and stop at any step.

The script skips everything that its checkpoint already contains: each stage is guarded by its last step, and
operations at the start of a stage, such as drawing velocities, by its first. Lines that begin with ``CSE`` inform
the log reader which stage started, which step it reached and which restart file is complete.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, FILENAMES, WALL_MOLECULE
from aiida_cse.lammps.job.checkpoints import (
    CHECK_CLOCK,
    KEPT_CHECKPOINTS,
    LOG,
    REPORT_CHECKPOINT,
    WRITE_CHECKPOINT,
)
from aiida_cse.lammps.job.crossing import BIAS_COLUMNS, INSIDE_COLUMN, SHOTS, bias_commands, shots_commands
from aiida_cse.lammps.job.recovery import NEIGHBOURS, recovery_commands, relaxation
from aiida_cse.lammps.protocol.stage import JobPlan, RunSettings, Span, Stage

__all__ = ["FINAL_DATA", "IONS", "LOG", "SHOTS", "START_FILE", "TRAJECTORY", "kspace_commands", "render_script"]

#: written by the prologue of the job: the time limit, and the data or restart file to start from
START_FILE = "start.in"
#: system at the end of the job
FINAL_DATA = "final.data"
#: unwrapped coordinates of all atoms, sorted by ID
TRAJECTORY = "trajectory.dcd"
#: the same of the framework and the ions alone, where a stage has ``ions_ps``
IONS = "ions.dcd"

THERMO_COLUMNS = "step temp press pe ke etotal econserve vol density lx ly lz pxx pyy pzz"
THERMO_FORMAT = "thermo_modify line yaml flush yes lost error"
#: thermo column of a stage that holds the ceramic: largest displacement of a held atom, Å
HELD_SHIFT = "held_shift"

#: soft potential of the push-off: range, Å, and final prefactor, kcal/mol
SOFT_RANGE, SOFT_PREFACTOR = 2.5, 60.0
#: seed of restarted noise: two primes make it differ between runs and between steps; LAMMPS accepts none above 9e8
SEED_FACTOR, STEP_FACTOR, LARGEST_SEED = 7919, 104729, 899_999_963
#: steps between sorting the atoms; an exact run sorts only during setup, which a continued run repeats
SORT_EVERY, NEVER = 1000, 10**9
#: edge of the bins for sorting and for neighbour lists, as a fraction of the range of the lists; with LAMMPS'
#: default of one half, each bin contains so many atoms that most distances are computed needlessly
BIN_SHARE = 0.25
#: Å; sparse systems have short ranges and would otherwise have more bins than atoms
SMALLEST_BIN = 3.0
#: largest displacement of an atom per step during the push-off, Å
PUSHOFF_LIMIT = 0.1


def render_script(plan: JobPlan, ion_types: Sequence[int] = ()) -> str:
    """Return the LAMMPS input script of ``plan``.

    ``ion_types`` are the atom types of the framework and the ions, for a stage that writes them apart.
    The working directory contains the files of a system (:data:`~aiida_cse.lammps.files.system.FILENAMES`) and
    :data:`START_FILE`, which sets the variable ``timeout`` (``off`` or hh:mm:ss).
    """
    settings, needed = plan.settings, plan.needed_step
    edge = max(SMALLEST_BIN, BIN_SHARE * (settings.cutoff + settings.skin))
    too_early = f"ERROR: no restart file of step {needed} or later to go on from"
    lines = [
        "units real",
        "atom_style full",
        "boundary p p p",
        f"atom_modify sort {NEVER if settings.exact else SORT_EVERY} {edge:g}",
        f"variable cutoff equal {settings.cutoff:g}",
        f"include {START_FILE}",
        *([f'if "$(step) < {needed}" then "print \'{too_early}\'" "quit 1"'] if needed else []),
        f"include {FILENAMES['forcefield']}",
        *kspace_commands(settings),
        f"neighbor {settings.skin:g} bin",
        f"{NEIGHBOURS} binsize {edge:g}",
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
    for number, span in enumerate(plan.spans):
        if number > 1 and (span.stage.bias is not None or span.stage.shots is not None):
            lines.append(f"shell rm -f {' '.join(_left_by(plan.spans[number - 2], settings))}")
        lines += _guarded_stage(span, min(span.end, plan.target_step), plan, ion_types)
    lines += [
        "label finish",
        f"write_data {FINAL_DATA} nocoeff",
        'print "CSE finished step=$(step:%.0f) timeout=$(is_timeout():%.0f)"',
        "",
    ]
    return "\n".join(lines)


def kspace_commands(settings: RunSettings) -> list[str]:
    """Return the commands that select the solver of long-range electrostatics."""
    if settings.kspace_style == "none":
        return ["kspace_style none"]
    style = f"kspace_style {settings.kspace_style} {settings.kspace_accuracy:g}"
    if settings.kspace_style == "ewald":
        return [style]
    commands = [style, f"kspace_modify order {settings.kspace_order}"]
    # the mesh of OPENMP is slower than the plain one with a single thread (docs/science/speed.md)
    single = settings.accelerator == "omp" and settings.threads == 1
    return ["suffix off", *commands, "suffix on"] if single else commands


def _guarded_stage(span: Span, end: int, plan: JobPlan, ion_types: Sequence[int]) -> list[str]:
    """Return the commands of a stage up to step ``end``, which a job from a later checkpoint skips."""
    stage, recovery = span.stage, plan.care
    until = None
    if recovery is not None and stage.duration_ps is not None and span.start < recovery.until_step:
        until = min(end, recovery.until_step)
    relax = []
    if recovery is not None and until is not None and recovery.relax_steps and stage.kind != "pushoff":
        relaxing = relaxation(recovery, stage, _moving_group(stage), plan.seed)
        relax = _skipped_from(until, f"relaxed_{stage.name}", relaxing)
    if stage.kind == "minimize":
        commands = _minimize(span)
    elif stage.kind == "shots":
        commands = shots_commands(span, end, _fix(stage), _moving_group(stage), plan)
    else:
        commands = _dynamics(span, end, until, plan, ion_types)
    return [
        f"# ---- {stage.name}: steps {span.start} to {end}",
        f'if "$(step) >= {end}" then "jump SELF after_{stage.name}"',
        *relax,
        f'print "CSE begin={stage.name} kind={stage.kind} start={span.start} target={end} step=$(step:%.0f)'
        f' timestep_fs={stage.timestep_fs:g}"',
        *commands,
        f'print "CSE end={stage.name} step=$(step:%.0f)"',
        f'if "$(step) < {end}" then "jump SELF finish"',
        f"label after_{stage.name}",
        "",
    ]


def _left_by(span: Span, settings: RunSettings) -> list[str]:
    """Return the checkpoints that a completed stage leaves; a ladder of windows deletes them two stages later."""
    every = 1 if span.stage.shots is not None else settings.restart_interval
    inside = range(span.start + every, span.end, every)
    return [f"restart.{step}" for step in (*inside[-KEPT_CHECKPOINTS:], span.end)]


def _skipped_from(step: int, label: str, commands: list[str]) -> list[str]:
    return [f'if "$(step) >= {step}" then "jump SELF {label}"', *commands, f"label {label}"]


def _fix(stage: Stage) -> str:
    """Return the ID of the stage's fix; the prefix separates it from the groups and computes of the script."""
    return f"stage_{stage.name}"


def _moving_group(stage: Stage) -> str:
    return "moving" if stage.mobile == "all" else "electrolyte"


def _minimize(span: Span) -> list[str]:
    """Return the commands of a minimisation, which counts as one step regardless of its iterations.

    A minimisation that the wall time interrupted starts again from the coordinates that it reached.
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
        *(WRITE_CHECKPOINT, REPORT_CHECKPOINT),
    ]


def _dynamics(span: Span, end: int, until: int | None, plan: JobPlan, ion_types: Sequence[int]) -> list[str]:
    """Return the commands of a dynamics stage; recovery settings apply up to step ``until``."""
    stage, settings = span.stage, plan.settings
    group = _moving_group(stage)
    watch, unwatch = _watched(stage)
    opening, closing = _pushoff(stage, plan) if stage.kind == "pushoff" else _integrator(stage, plan.seed)
    velocities: list[str] = []
    dump, undump = _dumps(stage, ion_types)
    if stage.velocities is not None:
        draw = f"velocity {group} create {stage.velocities:g} {plan.seed} mom yes rot no dist gaussian loop geom"
        velocities = [f'if "$(step) == {span.start}" then "{draw}"']
    runs = [_run(span, end, end, settings)]
    if plan.care is not None and until is not None:
        hold = f"{_fix(stage)}_hold" if stage.mobile == "electrolyte" else None
        begin, restore = recovery_commands(plan.care, hold)
        recovering = [*begin, _run(span, until, end, settings), *restore]
        both = [*_skipped_from(until, f"usual_{stage.name}", recovering), *runs]
        runs = recovering if until == end else both
    return [
        f"timestep {stage.timestep_fs:g}",
        f"thermo {stage.interval(stage.thermo_ps)}",
        *watch,
        f"thermo_modify temp {group}_temp",
        # counted from the start of the stage, as the timer counts, so that a timeout coincides with a checkpoint
        f"variable checkpoint equal stride({span.start},{span.end},{settings.restart_interval})",
        "restart v_checkpoint restart.*",
        *velocities,
        *opening,
        *dump,
        *runs,
        *undump,
        # before the fixes are deleted: the checkpoint includes the state of thermostat and barostat
        *(WRITE_CHECKPOINT, REPORT_CHECKPOINT),
        *closing,
        *unwatch,
    ]


def _dumps(stage: Stage, ion_types: Sequence[int]) -> tuple[list[str], list[str]]:
    """Return the commands that begin and end the trajectories of a stage."""
    if stage.trajectory_ps is None:
        return [], []
    opening = [
        f"dump trajectory all dcd {stage.interval(stage.trajectory_ps)} {TRAJECTORY}",
        "dump_modify trajectory unwrap yes sort id",
    ]
    if stage.ions_ps is None:
        return opening, ["undump trajectory"]
    if not ion_types:
        raise ValueError(f"stage '{stage.name}': ions_ps needs the atom types of the framework and the ions")
    opening += [
        f"group ions type {' '.join(map(str, ion_types))}",
        f"dump ions ions dcd {stage.interval(stage.ions_ps)} {IONS}",
        "dump_modify ions unwrap yes sort id",
    ]
    return opening, ["undump ions", "undump trajectory"]


def _run(span: Span, upto: int, end: int, settings: RunSettings) -> str:
    """Return the run to step ``upto`` of a stage that ends at ``end``, from checkpoint to checkpoint.

    After each checkpoint, old ones are deleted and the clock is checked. A job that continues from a checkpoint
    repeats the setup of LAMMPS: it wraps the atoms, builds neighbour lists, fits the k-space mesh to the box and
    computes the temperature from the velocities, while an uninterrupted run takes it from the thermostat, which
    may differ in the last bit. An exact run therefore repeats the setup at every checkpoint as well.
    """
    set_up = "" if settings.exact else "pre no "
    oldest = KEPT_CHECKPOINTS * settings.restart_interval
    commands = (
        f"""if "$(step) < {end}" then "print 'CSE restart=restart.$(step:%.0f)'\"""",
        f"shell rm -f restart.$(step-{oldest}:%.0f)",
        *CHECK_CLOCK,
        "if ${expired} then 'timer timeout 0'",
    )
    quoted = (f'"""{command} """' for command in commands)
    run = f"run {upto} upto start {span.start} stop {span.end} {set_up}post no every {settings.restart_interval}"
    return " ".join([run, *quoted])


# -- integrators: each returns the commands that open and those that close it ----------------------------


def _pushoff(stage: Stage, plan: JobPlan) -> tuple[list[str], list[str]]:
    """Return the push-off: a soft potential with a growing prefactor in place of the force field."""
    fix, group = _fix(stage), _moving_group(stage)
    opening = [
        "kspace_style none",
        f"pair_style soft {SOFT_RANGE}",
        "pair_coeff * * 0.0",
        f"variable {fix}_prefactor equal ramp(0.0,{SOFT_PREFACTOR})",
        f"fix {fix}_soft all adapt 1 pair soft a * * v_{fix}_prefactor",
        f"fix {fix} {group} nve/limit {PUSHOFF_LIMIT}",
        f"fix {fix}_bath {group} langevin {_ramp(stage.temperature)} {stage.thermostat_fs:g} {plan.seed}",
    ]
    closing = [
        f"unfix {fix}_bath",
        f"unfix {fix}",
        f"unfix {fix}_soft",
        f"include {FILENAMES['forcefield']}",
        *kspace_commands(plan.settings),
    ]
    return opening, closing


def _integrator(stage: Stage, seed: int) -> tuple[list[str], list[str]]:
    """Return the thermostatted dynamics; the fix has the stage's name, so that a restart restores its state."""
    fix, group = _fix(stage), _moving_group(stage)
    hold, release = _hold(fix) if stage.mobile == "electrolyte" else ([], [])
    if stage.thermostat == "langevin":
        integrate, unfix = _langevin(stage, seed)
        return [*hold, *integrate], [*unfix, *release]
    bath = f"temp {_ramp(stage.temperature)} {stage.thermostat_fs:g}"
    if stage.kind == "npt":
        pressure = f"{_ramp(stage.pressure)} {stage.barostat_fs:g}"
        barostat = {
            "z": f"z {pressure}",
            "x-y-z": f"aniso {pressure}",
            "xy-z": f"x {pressure} y {pressure} z {pressure} couple xy",
            "iso": f"iso {pressure}",
        }[stage.barostat or "z"]
        bath += f" {barostat} dilate {group} fixedpoint 0.0 0.0 0.0"
    opening = [*hold, f"fix {fix} {group} {stage.kind} {bath}", f"fix_modify {fix} temp {group}_temp"]
    closing = [f"unfix {fix}", *release]
    if stage.scale_z is not None:
        opening.append(f"fix {fix}_box electrolyte deform 1 z scale {stage.scale_z:.12g} remap x")
        closing = [f"unfix {fix}_box", *closing]
    return opening, closing


def _langevin(stage: Stage, seed: int) -> tuple[list[str], list[str]]:
    """Return Langevin dynamics with the energy of the bath in the conserved quantity.

    The integrator is that of Grønbech-Jensen and Farago, Mol. Phys. 111, 983 (2013); the bath must precede it.
    Otherwise LAMMPS draws uniform noise (Dünweg and Paul, Int. J. Mod. Phys. C 2, 817 (1991)), which gives
    velocities a kurtosis of 3 − 1.2 Δt/damping: the fast ions are missing, and so are those that cross a barrier.

    A checkpoint does not contain the noise. With the same seed it would repeat from segment to segment, so the
    seed depends on the step as well.
    """
    fix, group = _fix(stage), _moving_group(stage)
    drawn = f"$(({seed}*{SEED_FACTOR}+step*{STEP_FACTOR})%{LARGEST_SEED}+1:%.0f)"
    opening = [
        f"fix {fix}_bath {group} langevin {_ramp(stage.temperature)} {stage.thermostat_fs:g} {drawn} "
        "tally yes gjf vhalf",
        f"fix {fix} {group} nve",
    ]
    return opening, [f"unfix {fix}_bath", f"unfix {fix}"]


def _hold(fix: str) -> tuple[list[str], list[str]]:
    """Return the commands that hold the ceramic in place and include the constraint in the pressure.

    The holding forces are a separate fix whose virial cancels the kinetic pressure that a frozen slab lacks.
    ``fix rigid`` is not suitable: its virial is complete only after its second half step, so ``fix npt`` uses an
    incomplete one in one of its two half steps, whichever fix is defined first.
    """
    opening = [
        *(f"variable hold_{axis} atom -f{axis}" for axis in "xyz"),
        f"fix {fix}_hold ceramic addforce v_hold_x v_hold_y v_hold_z",
        f"fix_modify {fix}_hold virial yes",
    ]
    return opening, [f"unfix {fix}_hold"]


def _watched(stage: Stage) -> tuple[list[str], list[str]]:
    """Return the commands that bias one ion and print further thermo columns.

    Held atoms have a displacement of zero unless another fix moves them.
    """
    opening: list[str] = []
    closing: list[str] = []
    columns = []
    if stage.mobile != "all":
        atoms = f"{_fix(stage)}_shift"
        opening = [
            f"compute {atoms} ceramic displace/atom",
            f"compute {HELD_SHIFT} ceramic reduce max c_{atoms}[4]",
        ]
        closing = [f"uncompute {HELD_SHIFT}", f"uncompute {atoms}"]
        columns = [f"c_{HELD_SHIFT}"]
    if stage.bias is not None:
        bias, end = bias_commands(stage.bias, _fix(stage))
        opening, closing = [*opening, *bias], [*end, *closing]
        columns += [*BIAS_COLUMNS, *([INSIDE_COLUMN] if stage.bias.inside is not None else [])]
    if not columns:
        return [], []
    return (
        [*opening, f"thermo_style custom {THERMO_COLUMNS} {' '.join(columns)}", THERMO_FORMAT],
        [f"thermo_style custom {THERMO_COLUMNS}", THERMO_FORMAT, *closing],
    )


def _ramp(value: float | tuple[float, float] | None) -> str:
    if value is None:
        raise ValueError("a stage of dynamics has no temperature or no pressure")
    start, end = value if isinstance(value, tuple) else (value, value)
    return f"{start:g} {end:g}"
