"""The commands by which a job runs more carefully for a while, after a run that broke."""

from __future__ import annotations

from aiida_cse.lammps.protocol.stage import Care, Stage

__all__ = ["NEIGHBOURS", "careful_commands", "relax_commands", "usual_commands"]

#: neighbour lists are looked at after every step, and built where an atom has moved by half the skin
NEIGHBOURS = "neigh_modify every 1 delay 0 check yes"

#: largest displacement of an atom per step of a relaxation, Å, and the longest of its timesteps, fs
RELAX_LIMIT, RELAX_TIMESTEP = 0.05, 0.5

_INNERMOST = " ".join(f"{force} 1" for force in ("bond", "angle", "dihedral", "improper", "pair", "kspace"))


def careful_commands(care: Care, stage: Stage, hold: str | None) -> list[str]:
    """Return the commands that begin careful dynamics; ``hold`` is the fix that holds the ceramic, if one does.

    Shorter timesteps are those of r-RESPA (Tuckerman et al., J. Chem. Phys. 1992, 97, 1990, eq. 2.21) with every
    force at its innermost level, which is velocity Verlet in ``substeps`` steps for each that is counted.
    """
    commands = []
    if care.rebuild_every_step:
        commands.append("neigh_modify every 1 delay 0 check no")
    if care.substeps > 1:
        commands.append(f"run_style respa 2 {care.substeps} {_INNERMOST}")
        if hold is not None:
            # a fix acts at the outermost level by itself, where no force is left to take out
            commands.append(f"fix_modify {hold} respa 1")
    return commands


def usual_commands(care: Care) -> list[str]:
    """Return the commands that end careful dynamics."""
    return [
        *(["run_style verlet"] if care.substeps > 1 else []),
        *([NEIGHBOURS] if care.rebuild_every_step else []),
    ]


def relax_commands(care: Care, stage: Stage, group: str, seed: int) -> list[str]:
    """Return the commands that let a group settle; the step counter stands afterwards where it stood.

    Atoms move by little at a time (``nve/limit``), in a Langevin bath at the lower end of the stage's
    temperatures. They come before the line that opens the stage, for their steps are none of it.
    """
    name = f"relax_{stage.name}"
    ramp = stage.temperature
    if ramp is None:
        msg = f"stage '{stage.name}': without a temperature there is nothing to relax at"
        raise ValueError(msg)
    temperature = min(ramp) if isinstance(ramp, tuple) else ramp
    bath = f"langevin {temperature:g} {temperature:g} {stage.thermostat_fs:g} {seed} zero yes"
    return [
        "restart 0",
        f"variable {name} equal $(step:%.0f)",
        f"timestep {min(stage.timestep_fs, RELAX_TIMESTEP):g}",
        "thermo 100",
        f"fix {name} {group} nve/limit {RELAX_LIMIT}",
        f"fix {name}_bath {group} {bath}",
        f"run {care.relax_steps}",
        f"unfix {name}_bath",
        f"unfix {name}",
        f"velocity {group} zero linear",
        f"reset_timestep ${{{name}}}",
    ]
