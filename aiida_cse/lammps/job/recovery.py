"""LAMMPS commands of the recovery settings, which apply for a limited time after a failed run."""

from __future__ import annotations

from aiida_cse.lammps.protocol.stage import Recovery, Stage

__all__ = ["NEIGHBOURS", "recovery_commands", "relaxation"]

#: neighbour lists are checked at every step, and rebuilt once an atom has moved by half the skin
NEIGHBOURS = "neigh_modify every 1 delay 0 check yes"

#: largest displacement of an atom per step of the relaxation, Å, and its longest timestep, fs
RELAX_LIMIT, RELAX_TIMESTEP = 0.05, 0.5

_INNERMOST = " ".join(f"{force} 1" for force in ("bond", "angle", "dihedral", "improper", "pair", "kspace"))


def recovery_commands(recovery: Recovery, hold: str | None) -> tuple[list[str], list[str]]:
    """Return the commands that switch the recovery settings on, and those that restore the normal settings.

    Shorter timesteps are those of r-RESPA (Tuckerman et al., J. Chem. Phys. 1992, 97, 1990, eq. 2.21) with every
    force at the innermost level: velocity Verlet in ``substeps`` steps for each step that is counted.

    Parameters
    ----------
    recovery
        Settings of the job.
    hold
        ID of the fix that holds the ceramic; None if the ceramic moves.
    """
    begin, end = [], []
    if recovery.rebuild_every_step:
        begin.append("neigh_modify every 1 delay 0 check no")
        end.append(NEIGHBOURS)
    if recovery.substeps > 1:
        begin.append(f"run_style respa 2 {recovery.substeps} {_INNERMOST}")
        end.insert(0, "run_style verlet")
        if hold is not None:
            # by default a fix acts at the outermost level, where no force is left to cancel
            begin.append(f"fix_modify {hold} respa 1")
    return begin, end


def relaxation(recovery: Recovery, stage: Stage, group: str, seed: int) -> list[str]:
    """Return the commands that relax a group of atoms and then reset the step counter.

    Displacements are limited (``nve/limit``), and a Langevin bath is at the lower end of the stage's temperatures.
    The commands precede the line that opens the stage, because their steps do not belong to it.

    Raises
    ------
    ValueError
        The stage has no temperature.
    """
    name = f"relax_{stage.name}"
    ramp = stage.temperature
    if ramp is None:
        msg = f"stage '{stage.name}': temperature is missing; a relaxation needs it"
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
        f"run {recovery.relax_steps}",
        f"unfix {name}_bath",
        f"unfix {name}",
        f"velocity {group} zero linear",
        f"reset_timestep ${{{name}}}",
    ]
