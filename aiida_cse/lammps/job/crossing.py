"""LAMMPS commands of the stages of a crossing: a spring on one ion, and short trajectories from one structure.

The coordinate z is that of :class:`~aiida_cse.lammps.protocol.bias.Coordinate`, as the variable ``bias_z``.
"""

from __future__ import annotations

import numpy as np

from aiida_cse.lammps.job.checkpoints import (
    CHECK_CLOCK,
    KEPT_CHECKPOINTS,
    LOG,
    REPORT_CHECKPOINT,
    WRITE_CHECKPOINT,
)
from aiida_cse.lammps.protocol.bias import Bias, Coordinate
from aiida_cse.lammps.protocol.stage import JobPlan, Span, Stage

__all__ = ["BIAS_COLUMNS", "INSIDE_COLUMN", "SHOTS", "bias_commands", "shots_commands"]

#: one line for each start of short trajectories, and z(t) of some of them
SHOTS = "shots.txt"
#: thermo columns of a stage with a bias: z, Å, and the force of the spring on the ion, kcal/mol/Å
BIAS_COLUMNS = ("v_bias_z", "v_bias_force")
#: thermo column of a bias that counts ions
INSIDE_COLUMN = "v_inside"
#: what COLVARS reads: the bias, and the atoms of its groups
_COLVARS, _COLVARS_GROUPS = "bias.colvars", "bias.ndx"
#: the structure of a shots stage, with all digits
_STRUCTURE = "shots.structure"
#: columns of that file which a start restores
_FIELDS = "x y z ix iy iz vx vy vz"
#: LAMMPS accepts no seed above
_LARGEST_SEED = 899_999_963


def _coordinate(place: Coordinate, near: str) -> tuple[list[str], list[str]]:
    """Return the commands that define z of the ion and delete it; it is near the place ``near`` (a formula, Å)."""
    opening = []
    # a restart file contains the groups of its stage
    for name, members in (("tagged", f"id {place.atom}"), ("reference", f"type {_words(place.reference)}")):
        opening += [f"group {name} empty", f"group {name} clear", f"group {name} {members}"]
    opening += [
        f"variable bias_zero equal xcm(reference,z)+{place.zero:.17g}",
        # fixed for the stage; the place within the box may lie in any periodic image
        f"variable bias_image equal $(lz*round((xcm(tagged,z)-v_bias_zero-({near}))/lz):%.17g)",
        "variable bias_z equal xcm(tagged,z)-v_bias_zero-v_bias_image",
    ]
    closing = [f"variable {name} delete" for name in ("bias_z", "bias_image", "bias_zero")]
    return opening, [*closing, "group reference delete", "group tagged delete"]


def _words(numbers: tuple[int, ...]) -> str:
    return " ".join(map(str, numbers))


def bias_commands(bias: Bias, fix: str) -> tuple[list[str], list[str]]:
    """Return the commands that hold the ion by the spring and define the thermo columns, and those that end it.

    The fix must precede one that holds the ceramic, which cancels all forces before it.
    """
    opening, closing = _coordinate(bias, f"{bias.centre:.17g}")
    apply, force = {
        "spring": (_spring, f"f_{fix}_bias[3]"),
        # the fix tells its energy only
        "colvars": (_colvars, f"-{bias.spring:.17g}*(v_bias_z-({bias.centre:.17g}))"),
    }[bias.by]
    opening += [
        *apply(bias, f"{fix}_bias"),
        f"fix_modify {fix}_bias energy yes",
        f"variable bias_force equal {force}",
    ]
    closing = ["variable bias_force delete", f"unfix {fix}_bias", *closing]
    if bias.inside is None:
        return opening, closing
    count = bias.inside
    middle, half = (count.low + count.high) / 2, (count.high - count.low) / 2
    opening += [
        "group counted empty",
        "group counted clear",
        f"group counted type {_words(count.types)}",
        f"variable bias_off atom z-v_bias_zero-({middle:.17g})",
        f"variable bias_within atom abs(v_bias_off-lz*round(v_bias_off/lz))<={half:.17g}",
        "compute bias_within counted reduce sum v_bias_within",
        "variable inside equal c_bias_within",
    ]
    ends = ("variable inside delete", "uncompute bias_within", "variable bias_within delete")
    return opening, [*ends, "variable bias_off delete", "group counted delete", *closing]


def _spring(bias: Bias, fix: str) -> list[str]:
    # LAMMPS counts from the first group to the second
    target = f"$(-({bias.centre:.17g}+{bias.zero:.17g}+v_bias_image):%.17g)"
    return [f"fix {fix} tagged spring couple reference {bias.spring:.17g} NULL NULL {target} 0.0"]


def _colvars(bias: Bias, fix: str) -> list[str]:
    """Return the fix of COLVARS with its files; it takes unwrapped positions, as ``xcm`` does."""
    target = f"$({bias.centre:.17g}+{bias.zero:.17g}+v_bias_image:%.17g)"
    content = (
        f"indexFile {_COLVARS_GROUPS}",
        "colvarsTrajFrequency 0",
        "colvarsRestartFrequency 0",
        "colvar {",
        "name z",
        "distanceZ {",
        "main { indexGroup tagged }",
        "ref { indexGroup reference }",
        "axis (0, 0, 1)",
        "forceNoPBC on",
        "}",
        "}",
        "harmonic {",
        "colvars z",
        f"centers {target}",
        f"forceConstant {bias.spring:.17g}",
        "}",
    )
    return [
        f"group2ndx {_COLVARS_GROUPS} tagged reference",
        # COLVARS takes one keyword from a line
        f'print """{chr(10).join(content)}""" file {_COLVARS} screen no',
        f"fix {fix} all colvars {_COLVARS}",
    ]


def shots_commands(span: Span, end: int, fix: str, group: str, plan: JobPlan) -> list[str]:
    """Return the commands of a shots stage up to step ``end``: a loop over starts, each counted as one step.

    Steps within a trajectory count from 0. The structure is written once, and read back before each trajectory and
    after each start, so that a job that continues after any start makes the same trajectories. ``fix`` is the
    prefix of the IDs of fixes, ``group`` contains the atoms that move.

    Raises
    ------
    ValueError
        The stage has no ``shots``.
    """
    stage, name = span.stage, span.stage.name
    shots = stage.shots
    if shots is None:
        raise ValueError(f"stage '{name}': shots is missing")
    most = stage.interval(shots.most_ps)
    opening, closing = _coordinate(shots, f"{(shots.low + shots.high) / 2:.17g}")
    # random, because a generator of LAMMPS turns equal distances of seeds into equal distances of velocities
    seeds = np.random.default_rng((plan.seed, span.start)).integers(1, _LARGEST_SEED, shots.number)
    structure = f"write_dump all custom {_STRUCTURE} id {_FIELDS} modify format float %.17g sort id"
    restore = f"read_dump {_STRUCTURE} 0 {_FIELDS} box no replace yes format native"
    draw = f"velocity {group} create {stage.temperature:g} ${{shot_seed}} mom yes rot no dist gaussian loop geom"
    # a job that starts without time left has runs of no step
    stopped = [*CHECK_CLOCK, f'if "${{expired}} || $(is_timeout():%.0f)" then "jump SELF stopped_{name}"']
    trace = (
        f"fix {fix}_trace all print {stage.interval(shots.trace_fs / 1000)} "
        f"'step=$(step:%.0f) z=$(v_bias_z:%.6f)' append {SHOTS} screen no title ''"
    )
    result = (
        f"shot={name} start=${{shot}} z=$(v_shot_from:%.17g) v=$(v_shot_speed:%.17g) backward=${{shot_backward}} "
        "backward_steps=${shot_before} followed=${shot_followed} forward=${shot_forward} "
        "forward_steps=${shot_after}"
    )
    announce = f"print 'trace={name} start=${{shot}}' append {SHOTS} screen no"
    return [
        "restart 0",
        "thermo 0",
        f"timestep {stage.timestep_fs:g}",
        f"variable shot equal $(step-{span.start}+1:%.0f)",
        "reset_timestep 0",
        *opening,
        "variable bias_v equal vcm(tagged,z)-vcm(reference,z)",
        *(f"variable shot_v{axis} atom -v{axis}" for axis in "xyz"),
        f"variable shot_seeds vector [{','.join(map(str, seeds))}]",
        f"variable shot_there equal (v_bias_z>={shots.high:.17g})-(v_bias_z<={shots.low:.17g})",
        "variable shot_met equal (v_bias_z-v_shot_from)*v_shot_speed>0",
        "variable shot_settled equal v_shot_met||v_shot_there!=0",
        "variable shot_committed equal v_shot_there!=0",
        # read back at once: positions outside of the box are wrapped, here as after every start
        *(structure, restore, structure),
        "log none",
        f"label shot_{name}",
        "variable shot_seed equal $(v_shot_seeds[v_shot]:%.0f)",
        # backward in time
        *(restore, draw),
        "variable shot_from equal $(v_bias_z:%.17g)",
        "variable shot_speed equal $(v_bias_v:%.17g)",
        f"velocity {group} set v_shot_vx v_shot_vy v_shot_vz sum no units box",
        *_trajectory(stage, most, fix, group, "v_shot_settled", 0),
        "variable shot_backward equal $((v_shot_there!=0)*(v_shot_met==0)-v_shot_met:%.0f)",
        "variable shot_before equal $(step:%.0f)",
        *stopped,
        f"variable shot_followed equal $((v_shot-1)%{shots.followed}==0)",
        "variable shot_forward equal 0",
        "variable shot_after equal 0",
        f'if "${{shot_backward}} <= 0 && !${{shot_followed}}" then "jump SELF told_{name}"',
        # forward
        *(restore, draw),
        f'if "${{shot_followed}}" then "{announce}" "{trace}"',
        *_trajectory(stage, most, fix, group, "v_shot_committed", 1),
        f'if "${{shot_followed}}" then "unfix {fix}_trace"',
        "variable shot_forward equal $(v_shot_there:%.0f)",
        "variable shot_after equal $(step:%.0f)",
        *stopped,
        f"label told_{name}",
        restore,
        f'print "{result}" append {SHOTS} screen no',
        f"reset_timestep $({span.start}+v_shot:%.0f)",
        WRITE_CHECKPOINT,
        f"shell rm -f restart.$(step-{KEPT_CHECKPOINTS}:%.0f)",
        f"log {LOG} append",
        REPORT_CHECKPOINT,
        f'if "$(step) >= {end}" then "jump SELF shot_all_{name}"',
        "variable shot equal $(v_shot+1:%.0f)",
        "log none",
        f"jump SELF shot_{name}",
        f"label stopped_{name}",
        restore,
        f"reset_timestep $({span.start}+v_shot-1:%.0f)",
        f"log {LOG} append",
        "timer timeout 0",
        f"label shot_all_{name}",
        *closing,
    ]


def _trajectory(stage: Stage, most: int, fix: str, group: str, end: str, offset: int) -> list[str]:
    """Return the commands of one trajectory of at most ``most`` steps, up to a condition."""
    opening = [f"fix {fix} {group} nve"]
    closing = [f"unfix {fix}"]
    if stage.thermostat == "langevin":
        bath = f"{stage.temperature:g} {stage.temperature:g} {stage.thermostat_fs:g} $(v_shot_seed+{offset}:%.0f)"
        opening.insert(0, f"fix {fix}_bath {group} langevin {bath} tally yes gjf vhalf")
        closing.insert(0, f"unfix {fix}_bath")
    return [
        *opening,
        f"fix {fix}_end all halt 1 {end} > 0 error continue message no",
        f"run {most} post no",
        f"unfix {fix}_end",
        *closing,
    ]
