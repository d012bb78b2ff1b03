"""Rates that were measured without counting, and their mean over the faces of a slab.

A rate from umbrella windows and short trajectories (:mod:`aiida_cse.physics.crossing`) enters the likelihood of
the counts: with a standard error σ of its logarithm it tells as much as 1 / σ² independent entries. Jeffreys'
posterior of a Poisson rate from k entries has the mean ψ(k + ½) ≈ ln k of ln(rate × exposure) and the variance
ψ′(k + ½) ≈ 1 / k, which are those of the measured rate.

Entries are counted at both faces of the slab, over the ions in both first layers. Their rate is therefore the mean
of the rates of the faces, weighted by these ions. A measured rate is that of one face; both are averaged in the
same way before they enter the likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from aiida_cse.physics.statistics import arguments

__all__ = ["FaceMean", "MeasuredRate", "over_faces", "used_log_errors"]

Floats = NDArray[np.float64]

#: draws of the mean over the faces; its error is then known to 0.5 %
_DRAWS = 20_000
#: K; rates that are closer are of one temperature
_CLOSE = 1.0


@dataclass(frozen=True)
class MeasuredRate:
    """A rate per ion that was measured without counting entries.

    Attributes
    ----------
    temperature
        K.
    rate
        Γ per ion in a first layer, s⁻¹.
    log_error
        Standard error of ln Γ, from 0.001 to 4.5. That of an interval of Student's t is half of its width in ln Γ
        over the normal quantile, so that few degrees of freedom are not forgotten.
    lowering
        δ as in :class:`~aiida_cse.physics.kinetics.observations.Observation`, K.
    label
        Name in the results.
    face
        Face of the slab, as ``left``.
    ions, counted
        Mean number of ions in the first layer of this face, and the number of independent ions that scatters as
        much, the inverse square of its relative error; None if unknown. Where no ion was seen, ``ions`` is None
        and ``counted`` is 0.

    Raises
    ------
    ValueError
        A value is out of its range.
    """

    #: smallest and largest ``log_error``; that of the largest tells as much as a twentieth of an entry
    LOG_ERRORS: ClassVar[tuple[float, float]] = (1e-3, 4.5)

    temperature: float
    rate: float
    log_error: float
    lowering: float = 0.0
    label: str = ""
    face: str = ""
    ions: float | None = None
    counted: float | None = None

    def __post_init__(self) -> None:
        arguments.number("temperature", self.temperature, above=0)
        arguments.number("rate", self.rate, above=0)
        if self.ions is not None:
            arguments.number("ions", self.ions, above=0)
        if self.counted is not None:
            arguments.number("counted", self.counted, least=0)
        least, most = self.LOG_ERRORS
        arguments.number("log_error", self.log_error, least=least, most=most)
        arguments.number("lowering", self.lowering)


class FaceMean(NamedTuple):
    """Mean rate over the faces at one temperature, labels of the averaged rates, and number of faces."""

    rate: MeasuredRate
    labels: tuple[str, ...]
    faces: int


def used_log_errors(measured: Sequence[MeasuredRate]) -> list[float]:
    """Return the standard error of ln Γ of each measured rate for a joint fit: at least the geometric mean of all.

    Errors between a few ladders scatter, and the rate whose error came out smallest by chance would weigh most. Of
    two rates from four ladders an interval of 95 % then holds in 91 to 93 %; with the mean it holds in 95 %.
    """
    errors = [one.log_error for one in measured]
    return [max(error, float(stats.gmean(errors))) for error in errors]


def over_faces(measured: Sequence[MeasuredRate]) -> list[FaceMean]:
    """Return one rate for each temperature: the mean over the faces that were measured, weighted by their ions.

    Errors are those of :func:`used_log_errors`. Rates of one face within 1 K are averaged in ln Γ, with the
    inverse squares of their errors as weights. Of two faces ln Γ is drawn from normal distributions, and the
    number of ions from the posterior of a Poisson number under Jeffreys' prior. Where nothing is known of that of
    one face, all weights are equally likely. Returned are the mean and the standard deviation of the logarithm.
    """
    used = [replace(one, log_error=error) for one, error in zip(measured, used_log_errors(measured), strict=True)]
    groups: list[list[MeasuredRate]] = []
    for one in sorted(used, key=lambda one: (one.temperature, one.face)):
        if groups and one.temperature - groups[-1][0].temperature <= _CLOSE:
            groups[-1].append(one)
        else:
            groups.append([one])
    found = []
    for group in groups:
        names = sorted({one.face for one in group})
        faces = [_of_one_face([one for one in group if one.face == name]) for name in names]
        mean = faces[0] if len(faces) == 1 else _mean(faces)
        found.append(FaceMean(mean, tuple(one.label for one in group), len(faces)))
    return found


def _of_one_face(rates: Sequence[MeasuredRate]) -> MeasuredRate:
    """Return the best estimate from several rates of a face; its ions are those of which most were counted."""
    precision = np.array([one.log_error for one in rates]) ** -2.0
    value = float(np.exp(np.average(np.log([one.rate for one in rates]), weights=precision)))
    known = max(rates, key=lambda one: -1.0 if one.counted is None else one.counted)
    return replace(known, rate=value, log_error=_within(float(precision.sum() ** -0.5)))


def _mean(faces: Sequence[MeasuredRate]) -> MeasuredRate:
    """Return the mean over the faces of one temperature."""
    generator = np.random.default_rng(0)
    errors = np.array([one.log_error for one in faces])
    logs = np.log([one.rate for one in faces]) + errors * generator.standard_normal((_DRAWS, len(faces)))
    weights = _drawn_ions(faces, generator)
    means = special.logsumexp(logs, b=weights / weights.sum(axis=1, keepdims=True), axis=1)
    return replace(faces[0], rate=float(np.exp(means.mean())), log_error=_within(float(means.std())))


def _drawn_ions(faces: Sequence[MeasuredRate], generator: np.random.Generator) -> Floats:
    """Return draws (D, faces) of the ions in the first layer of each face, up to a common factor."""
    if any(one.ions is None and one.counted != 0 for one in faces):
        ions: Floats = generator.gamma(1.0, 1.0, (_DRAWS, len(faces)))
        return ions
    # an older result has no number of counted ions; a face without an ion has the unit of the other one
    counted = [1.0 if one.counted is None else one.counted for one in faces]
    own = [
        None if one.ions is None else one.ions / max(number, 0.5)
        for one, number in zip(faces, counted, strict=True)
    ]
    usual = float(np.mean([unit for unit in own if unit is not None] or [1.0]))
    scale = [usual if unit is None else unit for unit in own]
    drawn: Floats = generator.gamma(np.array(counted) + 0.5, scale, (_DRAWS, len(faces)))
    return drawn


def _within(log_error: float) -> float:
    return float(np.clip(log_error, *MeasuredRate.LOG_ERRORS))
