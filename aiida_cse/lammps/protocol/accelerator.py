"""Accelerator packages of LAMMPS: their command-line arguments, and which of them reproduce a run exactly."""

from __future__ import annotations

from typing import Literal

__all__ = ["Accelerator", "accelerator_error", "accelerator_words"]

#: ``omp`` is the package OPENMP; the others are named after their package
Accelerator = Literal["none", "omp", "opt", "intel", "gpu", "kokkos"]

_WITH_THREADS = ("omp", "intel", "kokkos")
_WITH_GPUS = ("gpu", "kokkos")
#: measured: with one thread, a resumed run repeats the uninterrupted one
_EXACT = ("none", "opt", "omp")


def accelerator_words(accelerator: Accelerator, threads: int, gpus: int) -> list[str]:
    """Return the command-line arguments that switch an accelerator on.

    Parameters
    ----------
    accelerator
        Package.
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
        # the GPU package builds no neighbour lists for hybrid pair styles, which all force fields here use
        "gpu": ["-sf", "gpu", "-pk", "gpu", str(gpus), "neigh", "no"],
        "kokkos": ["-k", "on", *(["g", str(gpus)] if gpus else []), "t", str(threads), "-sf", "kk"],
    }[accelerator]


def accelerator_error(accelerator: Accelerator, threads: int, gpus: int, *, exact: bool) -> str | None:
    """Return what is wrong with the accelerator settings, or None.

    A package that sums in a varying order, or that has not been tested, contradicts ``exact``.
    """
    for rule, message in (
        (
            threads == 1 or accelerator in _WITH_THREADS,
            f"threads = {threads}: accelerator {accelerator} uses none; give 1, or take omp, intel or kokkos",
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
            f"accelerator = '{accelerator}': contradicts exact = true, because a resumed run would not repeat the "
            "uninterrupted one to the last bit; give exact: false, or take none, opt or omp",
        ),
        (
            not exact or threads == 1,
            f"threads = {threads}: contradicts exact = true, because threads sum in a varying order; give "
            "exact: false, or threads: 1",
        ),
    ):
        if not rule:
            return message
    return None
