"""Profiles along z: arrays of one value per bin."""

from __future__ import annotations

from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.analysis.charge import charge_integrals as analyse_charge
from aiida_cse.analysis.density import density_profiles as analyse_density
from aiida_cse.analysis.free_energy import free_energy_profiles as analyse_free_energy
from aiida_cse.calculations.functions.analysis import analysed
from aiida_cse.data.reduction import CseReductionData

__all__ = ["charge_integral", "density_profiles", "free_energy"]


@calcfunction
def density_profiles(
    reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict
) -> orm.Data | ExitCode:
    """Return the densities of atoms, ions and charge.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out, see AnalysisSettings.
    """
    return analysed(analyse_density, reduction, temperature, settings)


@calcfunction
def free_energy(reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict) -> orm.Data | ExitCode:
    """Return the free energy of each ion, with its error, and bounds where no ion was seen.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out, and the level of the bounds, see AnalysisSettings.
    """
    return analysed(analyse_free_energy, reduction, temperature, settings)


@calcfunction
def charge_integral(
    reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict
) -> orm.Data | ExitCode:
    """Integrate the charge from each end of the box to the mid-plane of the slab.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out, see AnalysisSettings.
    """
    return analysed(analyse_charge, reduction, temperature, settings)
