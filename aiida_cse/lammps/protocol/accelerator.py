"""LAMMPS' accelerator packages: the words of the command line that switch one on, and which of them are exact."""

from __future__ import annotations

from typing import Literal

__all__ = ["Accelerator", "accelerator_error", "accelerator_words"]

#: ``omp`` is the package OPENMP, the others have the name of theirs
Accelerator = Literal["none", "omp", "opt", "intel", "gpu", "kokkos"]

_WITH_THREADS = ("omp", "intel", "kokkos")
_WITH_GPUS = ("gpu", "kokkos")
#: measured: a resumed run repeats the uninterrupted one, as long as there is one thread
_EXACT = ("none", "opt", "omp")


def accelerator_words(accelerator: Accelerator, threads: int, gpus: int) -> list[str]:
    """Return the words of LAMMPS' command line for an accelerator.

    Parameters
    ----------
    accelerator
        The package.
    threads
        OpenMP threads of each MPI process.
    gpus
        GPUs of each node; 0 runs Kokkos on the processor.
    """
    return {
        "none": [],
        "omp": ["-sf", "omp", "-pk", "omp", str(threads)],
        "opt": ["-sf", "opt"],
        "intel": ["-sf", "intel", "-pk", "intel", "0", "omp", str(threads)],
        # a GPU builds no neighbour lists for hybrid pair styles, and all force fields here are hybrid
        "gpu": ["-sf", "gpu", "-pk", "gpu", str(gpus), "neigh", "no"],
        "kokkos": ["-k", "on", *(["g", str(gpus)] if gpus else []), "t", str(threads), "-sf", "kk"],
    }[accelerator]


def accelerator_error(accelerator: Accelerator, threads: int, gpus: int, *, exact: bool) -> str | None:
    """Return what is wrong with an accelerator and its numbers, None if nothing is.

    What adds up in an order that varies, or was not tried, contradicts ``exact``.
    """
    for rule, message in (
        (
            threads == 1 or accelerator in _WITH_THREADS,
            f"threads = {threads}: accelerator {accelerator} has none; give 1, or take omp, intel or kokkos",
        ),
        (
            gpus == 0 or accelerator in _WITH_GPUS,
            f"gpus = {gpus}: accelerator {accelerator} uses none; give 0, or take gpu or kokkos",
        ),
        (
            gpus > 0 or accelerator != "gpu",
            "gpus = 0: accelerator gpu needs the number of GPUs of each node, at least 1",
        ),
        (
            not exact or accelerator in _EXACT,
            f"accelerator = '{accelerator}' contradicts exact = true: a resumed run would not be the same run to "
            f"the last bit; give exact: false, or take none, opt or omp",
        ),
        (
            not exact or threads == 1,
            f"threads = {threads} contradicts exact = true: threads add up in an order that varies; give "
            "exact: false, or threads: 1",
        ),
    ):
        if not rule:
            return message
    return None
