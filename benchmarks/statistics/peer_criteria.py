"""Published criteria of other programs for an equilibrated or converged run, as functions of series.

kim-convergence is called itself; it is in the extra ``peers``. DynDen is a script that reads a trajectory and
draws figures, and RadonPy judges the log of its own LAMMPS jobs, so that their criteria are implemented here from
the programs and their descriptions. Where these leave a choice, it is stated.
"""

from __future__ import annotations

import contextlib
import io

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = [
    "dynden_pairs",
    "dynden_successive",
    "kim_convergence",
    "least_correlation",
    "radonpy",
    "radonpy_whole",
]

Floats = NDArray[np.float64]

#: DynDen prints no verdict: least correlation, the lower end of its scale of colours, and level of the trend
_LEAST_CORRELATION, _SIGNIFICANCE = 0.9, 0.05
#: RadonPy: largest standard deviation of the moving average of kinetic and total energy, as a share of the mean
_MOST_DEVIATION = 0.0005
#: RadonPy: rows of thermodynamic output in the moving average, one per ps
_WIDTH = 2000


def kim_convergence(series: Floats) -> bool:
    """Return whether run-length control by kim-convergence 0.1 ends a run with this series, at its defaults.

    The program seeks a truncation point by MSER-5 (White, Simulation 69, 323 (1997); Spratt, thesis, University of
    Virginia (1998)), which must lie in the first half, and moves it to the largest number of independent samples
    (Chodera, J. Chem. Theory Comput. 12, 1799 (2016)), which must leave it in the first half. The half-width of
    the 95 % confidence interval of the mean, from uncorrelated samples, must then be less than 10 % of the mean.
    The run is offered at its full length, and not extended.

    Parameters
    ----------
    series
        (F,) values of one quantity, frame by frame.
    """
    # in the extra peers
    from kim_convergence import CRError, run_length_control

    frames = len(series)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            return bool(
                run_length_control(
                    lambda steps: series[:steps],
                    initial_run_length=frames,
                    maximum_run_length=frames,
                    maximum_equilibration_step=frames // 2,
                    fp=io.StringIO(),
                )
            )
        except CRError:
            # no truncation point in the first half, too few independent samples, or a mean of zero
            return False


def dynden_successive(profiles: Floats) -> bool:
    """Return whether the correlation of successive density profiles has converged.

    DynDen (Degiacomi et al., Comput. Phys. Commun. 269, 108126 (2021)) averages the linear density of each
    component in 100 bins over blocks of 50 frames, and plots Pearson's correlation of successive blocks over time.
    The run has converged when this trace has. The program and its manual give no number; here the trace has no
    linear trend at 5 %, and is at least 0.9 in its last half.

    Parameters
    ----------
    profiles
        (B, Z) density of one component in each block and bin.
    """
    trace = np.diagonal(np.corrcoef(profiles), offset=1)
    # a trace without any variation has no trend
    if np.ptp(trace) > 1e-12 and stats.linregress(np.arange(len(trace)), trace).pvalue < _SIGNIFICANCE:
        return False
    return bool(trace[len(trace) // 2 :].min() >= _LEAST_CORRELATION)


def dynden_pairs(profiles: Floats) -> bool:
    """Return whether any two density profiles of the last half correlate by at least 0.9.

    This is the other figure of DynDen, the correlation of all pairs of blocks, whose scale of colours begins at
    0.9. It is more demanding than successive blocks, which are similar when the change is slow.

    Parameters
    ----------
    profiles
        (B, Z) density of one component in each block and bin.
    """
    return least_correlation(profiles) >= _LEAST_CORRELATION


def least_correlation(profiles: Floats) -> float:
    """Return the least correlation of any two density profiles (B, Z) of the last half."""
    return float(np.corrcoef(profiles[len(profiles) // 2 :]).min())


def radonpy(rows: Floats) -> bool:
    """Return whether energies pass the check of RadonPy.

    RadonPy (Hayashi et al., npj Comput. Mater. 8, 222 (2022)) takes the moving average over 2,000 rows, 1 ps
    apart, and its standard deviation over the last 2,001 averages. In release 0.2.10 this must be at most 0.05 %
    of the mean for the total and the kinetic energy; 0.1 % for bonds, angles, long-range electrostatics and
    density; 0.2 % for dihedrals; 30 kJ/mol for van der Waals; and 1 % for the radius of gyration. Only the first
    two apply to ions in a landscape. The others concern chains and the box, which equilibrate before the ions, and
    count as passed.

    Parameters
    ----------
    rows
        (E, R) each energy, row by row.
    """
    return all(_settled(energy, _WIDTH) for energy in rows)


def radonpy_whole(energies: Floats) -> bool:
    """Return whether energies pass the check of RadonPy with a moving average as long as half of the run.

    The published window covers the last 4 ns only. This variant is not RadonPy's; it shows the thresholds
    on the time in which the ions exchange.

    Parameters
    ----------
    energies
        (E, F) each energy, frame by frame.
    """
    return all(_settled(energy, len(energy) // 2) for energy in energies)


def _settled(energy: Floats, width: int) -> bool:
    sums = np.cumsum(np.concatenate([[0.0], energy]))
    averages = (sums[width:] - sums[:-width]) / width
    deviation = float(averages[-width - 1 :].std(ddof=1))
    return deviation <= _MOST_DEVIATION * abs(float(averages[-1]))
