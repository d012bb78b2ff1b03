"""Energy, entropy and rates at other temperatures under several laws, from the results of several productions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator
from scipy import constants
from typing_extensions import Self

from aiida_cse.analysis.crossing.observations import (
    CROSSING,
    checked_crossing,
    crossing_objection,
    crossing_records,
    crossing_sentences,
    measured_rate,
    waiting_ions,
)
from aiida_cse.analysis.registry import Documented, finite_or_none
from aiida_cse.analysis.resistance import RESISTANCE_KEYS, resistances_from_rates
from aiida_cse.analysis.shifts import UsedShifts, widest
from aiida_cse.physics.kinetics.arrhenius_fit import Kinetics, joint_kinetics
from aiida_cse.physics.kinetics.comparison import REFUTED, Estimate, RateEstimate
from aiida_cse.physics.kinetics.extrapolation import TwoTemperatures
from aiida_cse.physics.kinetics.laws import LARGEST_ENERGY, LAWS
from aiida_cse.physics.kinetics.measured import MeasuredRate
from aiida_cse.physics.kinetics.observations import Observation, used_dispersions
from aiida_cse.physics.statistics.poisson import poisson_upper
from aiida_cse.schema import Flag, Number, StrictModel, Whole

__all__ = [
    "KINETICS",
    "OBSERVATION_RECORD",
    "PARTS",
    "KineticsSettings",
    "conclusions",
    "kinetics",
]

#: the results of a production that kinetics needs
PARTS = ("transitions", "equilibration", "barrier")

Kelvin = Annotated[Number, Field(gt=0, le=5000)]
Shift = tuple[Kelvin, Annotated[Number, Field(ge=-100, le=100)]]
Range = tuple[Annotated[Number, Field(ge=0, le=1e5)], Annotated[Number, Field(gt=0, le=1e5)]]
LawName = Literal["arrhenius", "vogel-fulcher", "two-channels"]
Results = Mapping[str, Mapping[str, Any]]

BarrierKind = Literal["tst", "maximum"]
#: name of each barrier, and of the prefactor that belongs to it, in the keys of ``barrier``
_BARRIERS: dict[BarrierKind, str] = {"tst": "tst_barrier", "maximum": "barrier"}
_PREFACTORS: dict[BarrierKind, str] = {"tst": "attempts", "maximum": "frequency"}

_KJ_PER_MOL = constants.R / 1000


OBSERVATION_RECORD = Documented(
    "a record of an observation",
    "One entry of the list `observations` of `kinetics`.",
    {
        "run": ("", "Label of the run"),
        "temperature_K": ("K", "Its temperature"),
        "events": ("events", "Entries, under the condition if there is one"),
        "exposure_ion_ns": ("ion ns", "Ions in the first layers × time in which an entry would have counted"),
        "equilibrated": ("", "The verdict"),
        "conditioned": ("", "Whether entries count only while the excess is large enough (`minimum_excess`)"),
        "lowering_K": ("K", "Slope × Δz"),
        "barrier_K": ("K", "The barrier that was used, ΔF / k_B; null if it has no interval, or off equilibrium"),
        "barrier_error_K": ("K", "Its standard error"),
        "admitted_off_equilibrium": ("", "Whether it takes part off equilibrium, under `admit: conditioned`"),
        "dispersion": ("", "Number of entries that carry the information of one, from this run alone"),
        "dispersion_used": ("", "The larger of this and the mean over the entries of all runs"),
        "rate_upper_bound_per_s": (
            "s⁻¹",
            "One-sided upper bound of the rate per ion from this run alone, with `dispersion_used`; null without "
            "exposure",
        ),
    },
)

KINETICS = Documented(
    "kinetics",
    (
        "Rates at other temperatures from the entries of all runs of a study; see [rates](../science/rates.md). "
        "`including` repeats the keys from `events` on with the runs off equilibrium, if the settings ask for it. "
        "Keys with `gamma` are the published estimate from the two highest temperatures with an entry. "
        "`rate_<T>K` is the headline, the union over the laws that the data do not refute; `energy_K`, "
        "`entropy_kB`, `kappa` and `p_value` are of Arrhenius' law. Nodes without `laws` are of Arrhenius' law."
    ),
    {
        "ion": ("", "The ion that crosses"),
        "rule": ("", "Rule by which its entries were counted"),
        "level": ("", "Level of the intervals; each bound has that of one end"),
        "slope_K_per_A": ("K Å⁻¹", "Slope of the barrier that was used"),
        "frequency_per_s": (
            "s⁻¹",
            "Prefactor that belongs to the barrier, ν or √(k_B T / (2 π m)) per Å; mean of the runs at the "
            "highest temperature that take part",
        ),
        "barrier_from": (
            "",
            "Barrier that was used, `tst` or `maximum`; nodes without this key used ν and `maximum`",
        ),
        "barrier_fallback": ("", "Why it is not that of the settings; null if it is"),
        "shifts": (
            "",
            "Triples of temperature (K), Δz (Å) and its standard error (Å) that were used; empty for none",
        ),
        "shifts_from": (
            "",
            (
                "Their source, `settings` or `profiles`. If they have errors, each interval and bound is the "
                "widest of three fits"
            ),
        ),
        "admit": ("", "Which runs take part, see the settings"),
        "admitted_off_equilibrium": (
            "",
            "Labels of the runs off equilibrium that take part, because their entries count under a condition",
        ),
        "observations": ("", "One record per run, see below"),
        "crossings": ("", "One record per rate that was measured without counting, see below"),
        "events": ("events", "Entries of the runs that were used"),
        "used": ("", "Labels of the runs that were used"),
        "excluded": ("", "Labels of the others, each with the reason"),
        "p_value": ("", "p-value of the fit of Arrhenius' law; null with two runs or fewer"),
        "energy_K": ("K", "ΔE / k_B of Arrhenius' law, median of the posterior"),
        "energy_interval_K": ("K", "Its interval"),
        "energy_kJ_per_mol": ("kJ/mol", "ΔE"),
        "entropy_kB": ("k_B", "ΔS, which needs a barrier"),
        "entropy_interval_kB": ("k_B", "Its interval"),
        "kappa": ("", "κ of all runs together, which needs a barrier"),
        "kappa_interval": ("", "Its interval"),
        "rate_<T>K_per_s": (
            "s⁻¹",
            "Rate per ion in a first layer at a temperature of four digits, as 0400; median of the average over "
            "the laws",
        ),
        "rate_<T>K_interval_per_s": ("s⁻¹", "Union of the intervals of the laws in `laws`"),
        "rate_<T>K_lower_bound_per_s": ("s⁻¹", "Lowest of their cautious lower bounds; 0 if there is none"),
        "rate_<T>K_upper_bound_per_s": ("s⁻¹", "Highest of their cautious upper bounds; null if there is none"),
        "rate_<T>K_extrapolated": ("", "Whether the temperature lies outside those of the runs"),
        "averaged_rate_<T>K_per_s": ("s⁻¹", "Median of the average over the laws, the evidence as weight"),
        "averaged_rate_<T>K_interval_per_s": (
            "s⁻¹",
            "Its interval; narrower than the union; depends on the priors",
        ),
        "laws": (
            "",
            "Names of the laws that the data do not refute, those of the union: ln of their evidence is "
            f"within {REFUTED:g} of the best; all of them where the counts distinguish none",
        ),
        "by_law": (
            "",
            (
                "Per fitted law: `weight` (posterior probability) and `log_evidence`, null where the counts "
                "determine no law, and its `rate_<T>K` keys. `energy_K` with its interval is ΔE, B of "
                "Vogel–Fulcher, or the lower energy of two channels; `t0_K`, `second_energy_K`, `crossing_K` are "
                "their other parameters"
            ),
        ),
        "priors": (
            "",
            "Ends of the uniform priors, K: `t0_K` of Vogel–Fulcher, `gap_K` and `crossing_K` of two "
            "channels, and `energy_K`, which serves the comparison of laws",
        ),
        "gamma": ("", "Rate at the highest over that at the next temperature"),
        "gamma_interval": ("", "Its interval, exact for independent entries; an end that is null is infinite"),
        "gamma_temperatures_K": ("K", "The two temperatures"),
        "gamma_energy_K": ("K", "ΔE / k_B with the observed γ (equation 9)"),
        "gamma_entropy_kB": ("k_B", "ΔS with it (equation 10)"),
        "gamma_rate_<T>K_per_s": ("s⁻¹", "Rate with both (equation 11)"),
        **RESISTANCE_KEYS,
        "including": ("", "The same with the runs off equilibrium"),
    },
)


class LawPriors(StrictModel):
    """Ranges of the uniform priors of the parameters of laws, K.

    Attributes
    ----------
    t0
        T₀ of Vogel–Fulcher's law. None for 0 to 300 K, or to the temperature of the coldest run if that is lower.
    gap
        Difference of the energies of two channels. None for 0 to 15,000 K.
    crossing
        Temperature at which both channels are equally fast. None for that between 400 K, or 0.8 times
        the coldest run if that is lower, and the hottest run.
    """

    t0: Range | None = None
    gap: Range | None = None
    crossing: Range | None = None

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        for name, ends in self:
            if ends is not None and ends[0] >= ends[1]:
                raise ValueError(f"{name} = {ends[0]:g}, {ends[1]:g}: the second value must be the higher one")
        return self


class KineticsSettings(StrictModel):
    """Extrapolation of rates.

    Attributes
    ----------
    temperatures
        Temperatures of the wanted rates, K.
    shifts
        Pairs of a temperature (K) and the shift Δz (Å) by which the first layer is closer to the slab there than
        at the highest temperature; at least two pairs. Δz is linear in T between and beyond them, and zero
        without any. None for the shifts found in the profiles of the runs.
    slope
        Slope of the barrier, K/Å: the barrier is lower by slope × Δz. None for the mean of those runs that
        take part at the highest temperature.
    barrier
        Barrier from which ΔS and κ follow: the TST barrier (``tst``) with the prefactor √(k_B T / (2 π m)) per Å,
        or F at its maximum minus its minimum (``maximum``) with ν, as published. Runs of which one has no TST
        barrier, because its results are from an earlier version, fall back to the latter.
    admit
        Which runs take part: those with a positive verdict (``equilibrated``), or also those off equilibrium whose
        entries count only while the excess is at least ``minimum_excess`` (``conditioned``), as in the published
        study. The result names the latter.
    laws
        Laws of the rate between the temperatures. The headline is the union over those that the data do not
        refute.
    priors
        Ranges of the parameters of the laws.
    include_off_equilibrium
        Also give the result with the runs off equilibrium.
    level
        Level of the intervals.
    samples, seed
        Draws from the posterior, and their seed.
    """

    temperatures: list[Kelvin] = Field(default=[400.0], min_length=1)
    shifts: list[Shift] | None = None
    slope: Annotated[Number, Field(gt=0)] | None = None
    barrier: BarrierKind = "tst"
    admit: Literal["equilibrated", "conditioned"] = "equilibrated"
    laws: list[LawName] = Field(default=["arrhenius", "vogel-fulcher", "two-channels"], min_length=1)
    priors: LawPriors = LawPriors()
    include_off_equilibrium: Flag = False
    level: Number = Field(default=0.95, gt=0, lt=1)
    samples: Whole = Field(default=20_000, ge=1000, le=10_000_000)
    seed: Whole = Field(default=0, ge=0, lt=2**31)

    @model_validator(mode="after")
    def _check_temperatures(self) -> Self:
        if self.shifts is not None and len(self.shifts) == 1:
            raise ValueError("shifts has one temperature, so that Δz has no reference; give none or at least two")
        for name, temperatures in (
            ("temperatures", self.temperatures),
            ("shifts", [temperature for temperature, _ in self.shifts or ()]),
        ):
            if len({round(temperature) for temperature in temperatures}) < len(temperatures):
                listed = ", ".join(f"{temperature:g}" for temperature in temperatures)
                raise ValueError(f"{name} = {listed}: each temperature may occur once; they must differ by 1 K")
        if len(set(self.laws)) < len(self.laws):
            raise ValueError(f"laws = {', '.join(self.laws)}: each law may occur once")
        return self

    def shift(self, temperature: float) -> float:
        """Return Δz at a temperature (K), Å."""
        if not self.shifts:
            return 0.0
        places, values = np.array(sorted(self.shifts)).T
        right = int(np.clip(np.searchsorted(places, temperature), 1, len(places) - 1))
        slope = (values[right] - values[right - 1]) / (places[right] - places[right - 1])
        return float(values[right] + slope * (temperature - places[right]))


def kinetics(
    runs: Mapping[str, Results],
    settings: KineticsSettings | None = None,
    shifts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Fit laws to the entries of all runs and extrapolate the rate.

    See :func:`~aiida_cse.physics.kinetics.arrhenius_fit.joint_kinetics`.

    Parameters
    ----------
    runs
        Per label the results of :data:`PARTS`, of the same ion and counted in the same way, or :data:`CROSSING`
        alone, a rate that was measured without counting. Populations of the runs tell how many ions wait at each
        face, for the mean of the rates that were measured there.
    settings
        Wanted temperatures, shifts and levels.
    shifts
        Δz with its errors from the profiles of the runs, see :func:`~aiida_cse.analysis.shifts.shifts`; used if
        the settings give none. Each interval and bound is then the widest of three fits: with Δz as found, and
        with all of Δz smaller and larger by the quantile of its error at ``level``.

    Returns
    -------
    dict
        See :data:`KINETICS`.

    Raises
    ------
    ValueError
        There is no run, no ion that crosses, or the runs are of different ions or rules.
    """
    asked = settings or KineticsSettings()
    counted = {label: run for label, run in runs.items() if CROSSING not in run}
    crossings = {label: checked_crossing(label, run[CROSSING]) for label, run in runs.items() if CROSSING in run}
    ion, rule = _common(counted, crossings)
    fallback = _fallback(counted, ion, asked)
    if fallback is not None:
        asked = asked.model_copy(update={"barrier": "maximum"})
    hottest = _hottest(counted, ion, asked)
    slope = asked.slope or _mean(hottest, f"slope_{ion}_K_per_A")
    if slope is None and asked.shifts:
        raise ValueError("slope = null: the runs at the highest temperature have no slope; give one")
    if asked.shifts is not None:
        used = UsedShifts([(temperature, value, 0.0) for temperature, value in asked.shifts], "settings")
    else:
        found_shifts = [] if shifts is None or slope is None else shifts["shifts"]
        used = UsedShifts([(float(t), float(value), float(error)) for t, value, error in found_shifts], "profiles")
    frequency = _mean(hottest, f"{_PREFACTORS[asked.barrier]}_{ion}_per_s")
    fits = [
        _fit(counted, crossings, asked.model_copy(update={"shifts": moved}), ion, slope or 0.0, frequency, hottest)
        for moved in used.variants(asked.level)
    ]
    observations, measured, found = fits[0]
    including = [fit.including for *_, fit in fits if fit.including is not None]
    results = widest([_results(fit) for *_, fit in fits])
    with_others = widest([_results(fit) for fit in including]) if found.including is not None else None
    results["excluded"] = found.excluded | {
        label: reason for label, one in crossings.items() if (reason := crossing_objection(one)) is not None
    }
    alone = {}
    if observations and measured:
        there = sorted({one.temperature for one in measured})
        counts_alone = asked.model_copy(update={"shifts": used.variants(asked.level)[0], "temperatures": there})
        *_, fit = _fit(counted, {}, counts_alone, ion, slope or 0.0, None, hottest)
        alone = {rate.temperature: rate for rate in fit.rates}
    return {
        "ion": ion,
        "rule": rule,
        "level": asked.level,
        "slope_K_per_A": slope,
        "frequency_per_s": frequency,
        "barrier_from": asked.barrier,
        "barrier_fallback": fallback,
        "shifts": [list(shift) for shift in used.shifts],
        "shifts_from": used.source,
        "admit": asked.admit,
        "admitted_off_equilibrium": [one.label for one in observations if one.admitted_off_equilibrium],
        "observations": _records(observations, asked.level),
        "crossings": crossing_records(measured, crossings, alone, asked.level),
        **results,
        **resistances_from_rates(results, runs, asked.temperatures, asked.level),
        "including": with_others
        and with_others | resistances_from_rates(with_others, runs, asked.temperatures, asked.level),
    }


def _fit(
    runs: Mapping[str, Results],
    crossings: Results,
    asked: KineticsSettings,
    ion: str,
    slope: float,
    frequency: float | None,
    hottest: Sequence[Results],
) -> tuple[list[Observation], list[MeasuredRate], Kinetics]:
    """Return the observations and the measured rates, barriers lowered by slope × Δz, and their joint fit."""
    observations = [
        replace(
            _observation(label, run, ion, asked), lowering=slope * asked.shift(run["transitions"]["temperature_K"])
        )
        for label, run in runs.items()
    ]
    measured = [
        measured_rate(
            label,
            one,
            slope * asked.shift(one["temperature_K"]),
            waiting_ions(runs, ion, one["temperature_K"]),
        )
        for label, one in crossings.items()
        if crossing_objection(one) is None
    ]
    return (
        observations,
        measured,
        joint_kinetics(
            observations,
            asked.temperatures,
            measured=measured,
            lowerings=[slope * asked.shift(temperature) for temperature in asked.temperatures],
            laws=asked.laws,
            priors=dict(asked.priors),
            frequency=frequency,
            frequency_log_error=(
                _mean(hottest, f"frequency_{ion}_log_error") or 0.0 if asked.barrier == "maximum" else 0.0
            ),
            include_off_equilibrium=asked.include_off_equilibrium,
            level=asked.level,
            samples=asked.samples,
            seed=asked.seed,
        ),
    )


def _common(runs: Mapping[str, Results], crossings: Results) -> tuple[str, str]:
    """Return the ion that crosses, which must be that of all, and the rule of counting, that of all runs.

    The rule is ``committed`` where nothing was counted: a crossing that was measured counts once it is committed.
    """
    if not runs and not crossings:
        raise ValueError("runs = {}: there are no runs; give at least one")
    for label, run in runs.items():
        missing = [part for part in PARTS if part not in run]
        if missing:
            raise ValueError(f"runs.{label}: it has no {' and no '.join(missing)}; each needs {', '.join(PARTS)}")
        temperatures = {part: run[part]["temperature_K"] for part in PARTS if "temperature_K" in run[part]}
        if len(set(temperatures.values())) > 1:
            said = ", ".join(f"{part} of {kelvin:g} K" for part, kelvin in temperatures.items())
            raise ValueError(f"runs.{label} = {said}: they must be the results of one analysis")
    kinds = {
        label: (str(run["equilibration"]["decided_by"][0]).lower(), str(run["transitions"]["rule"]))
        for label, run in runs.items()
    }
    if len(set(kinds.values())) > 1:
        counted = "; ".join(f"{label}: {ion} by {rule}" for label, (ion, rule) in kinds.items())
        raise ValueError(f"runs = {counted}: they must be of the same ion and counted under the same rule")
    kinds |= {label: (one["ion"], "committed") for label, one in crossings.items()}
    ions = {label: ion for label, (ion, _) in kinds.items()}
    if len(set(ions.values())) > 1:
        listed = "; ".join(f"{label}: {ion}" for label, ion in ions.items())
        raise ValueError(f"runs = {listed}: they must be of the same ion")
    ion, rule = next(iter(kinds.values()))
    for label, run in runs.items():
        if f"barrier_{ion}_K" not in run["barrier"]:
            raise ValueError(f"runs.{label}: none of its ions crosses into the ceramic")
        if f"s_in_{ion}_ceramic_conditioned" not in run["transitions"]:
            raise ValueError(f"runs.{label}: the number of {ion} in the initial slab is not known")
    return ion, rule


def _fallback(runs: Mapping[str, Results], ion: str, asked: KineticsSettings) -> str | None:
    """Return why the barrier of the settings cannot be used, None if it can: results from an earlier version."""
    key = f"{_BARRIERS[asked.barrier]}_{ion}_K"
    without = [label for label, run in runs.items() if key not in run["barrier"]]
    if not without:
        return None
    return (
        f"the barrier is the maximum of F minus its minimum, because {', '.join(without)} has no TST barrier; "
        f"repeat the analysis for one"
    )


def _hottest(runs: Mapping[str, Results], ion: str, asked: KineticsSettings) -> list[Results]:
    """Return the runs at the highest temperature of those that take part, or of all if none does."""
    usable = [run for label, run in runs.items() if _observation(label, run, ion, asked).objection() is None]
    candidates = usable or list(runs.values())
    if not candidates:
        return []
    highest = max(run["transitions"]["temperature_K"] for run in candidates)
    return [run for run in candidates if run["transitions"]["temperature_K"] == highest]


def _mean(runs: Sequence[Results], key: str) -> float | None:
    """Return the mean of an entry of ``barrier`` over the runs that have it, None without any."""
    there = [run["barrier"][key] for run in runs if run["barrier"][key] is not None]
    return float(np.mean(there)) if there else None


def _observation(label: str, run: Results, ion: str, asked: KineticsSettings) -> Observation:
    transitions, barrier = run["transitions"], run["barrier"]
    name, equilibrated = _BARRIERS[asked.barrier], bool(run["equilibration"]["equilibrated"])
    # the barrier of a run off equilibrium is biased; results of earlier versions give it an error nevertheless
    error = barrier[f"{name}_{ion}_error_K"] if equilibrated else None
    return Observation(
        temperature=transitions["temperature_K"],
        events=transitions[f"s_in_{ion}_ceramic_conditioned"],
        exposure=transitions["exposure_conditioned_ion_ns"] * 1e-9,
        equilibrated=equilibrated,
        conditioned=transitions["condition_minimum_excess"] is not None,
        barrier=None if error is None else barrier[f"{name}_{ion}_K"],
        barrier_error=error,
        admitted=asked.admit == "conditioned",
        label=label,
        # nodes from before dispersions were counted lack it
        dispersion=transitions.get(f"dispersion_{ion}_ceramic_conditioned", 1.0),
    )


def conclusions(found: Mapping[str, Any]) -> list[str]:
    """Return the results of :func:`kinetics` in sentences."""
    sentences = []
    for name in [key[:-6] for key in found if key.startswith("rate_") and key.endswith("K_per_s")]:
        rate = f"Γ({float(name[5:-1]):g} K)"
        if found[f"{name}_per_s"] is not None:
            low, high = found[f"{name}_interval_per_s"]
            end = "" if high is None else f" to {high:.2g}"
            sentence = f"{rate} = {found[f'{name}_per_s']:.2g} s⁻¹ per ion ({low:.2g}{end})"
            by_law = _rates_by_law(found, name)
            kept = [LAWS[law].title for law in found["laws"]] if by_law else []
            under = {0: "", 1: f" under {''.join(kept)}"}.get(len(kept), f" under any of {len(kept)} laws")
            sentences += [sentence + under, *by_law]
        elif found[f"{name}_upper_bound_per_s"] is not None:
            sentences.append(f"{rate} is at most {found[f'{name}_upper_bound_per_s']:.2g} s⁻¹ per ion")
        else:
            sentences.append(f"{rate} is not known: no run constrains it")
    if found["gamma"] is not None:
        hot, cold = found["gamma_temperatures_K"]
        low, high = found["gamma_interval"]
        upper = "without an upper end" if high is None else f"to {high:.2g}"
        sentences.append(f"γ = Γ({hot:g} K) / Γ({cold:g} K) = {found['gamma']:.2g} ({low:.2g} {upper})")
    # nodes of earlier versions have no measured rates
    sentences += [
        sentence for record in found.get("crossings", ()) for sentence in crossing_sentences(record, found)
    ]
    sentences += [
        f"{label} is off equilibrium and is used because its entries count under a condition (admit: conditioned)"
        # nodes of earlier versions do not name them
        for label in found.get("admitted_off_equilibrium", ())
    ]
    # nodes of earlier versions used the maximum and do not say so
    sentences += [found["barrier_fallback"]] if found.get("barrier_fallback") else []
    return sentences + [f"{label} is not used: {reason}" for label, reason in found["excluded"].items()]


def _rates_by_law(found: Mapping[str, Any], name: str) -> list[str]:
    """Return a line for each law with its weight, and one for the average, of an extrapolated rate.

    Nothing is said of a single law. Nodes of earlier versions have Arrhenius' law alone and no ``by_law``.
    """
    by_law = found.get("by_law", {})
    if len(by_law) < 2 or not found[f"{name}_extrapolated"]:
        return []
    lines = [("averaged", found[f"averaged_{name}_per_s"], found[f"averaged_{name}_interval_per_s"])]
    for law, values in by_law.items():
        refuted = "" if law in found["laws"] else ", refuted"
        kind = f"{LAWS[law].title} (weight {values['weight']:.2f}{refuted})"
        lines.insert(-1, (kind, values[f"{name}_per_s"], values[f"{name}_interval_per_s"]))
    width = max(len(kind) for kind, *_ in lines)
    return [
        f"  {kind:<{width}}  {median:.2g} ({low:.2g} to {math.inf if high is None else high:.2g})"
        for kind, median, (low, high) in lines
    ]


# -- results -------------------------------------------------------------------------------------------------


def _records(observations: Sequence[Observation], level: float) -> list[dict[str, Any]]:
    return [
        {
            "run": run.label,
            "temperature_K": run.temperature,
            "events": run.events,
            "exposure_ion_ns": run.exposure * 1e9,
            "equilibrated": run.equilibrated,
            "conditioned": run.conditioned,
            "lowering_K": run.lowering,
            "barrier_K": run.barrier,
            "barrier_error_K": run.barrier_error,
            "admitted_off_equilibrium": run.admitted_off_equilibrium,
            "dispersion": run.dispersion,
            "dispersion_used": used,
            "rate_upper_bound_per_s": (
                poisson_upper(run.events, level, dispersion=used) / run.exposure if run.exposure > 0 else None
            ),
        }
        for run, used in zip(observations, used_dispersions(observations), strict=True)
    ]


def _results(found: Kinetics) -> dict[str, Any]:
    results = {
        "events": found.events,
        "used": list(found.used),
        "excluded": found.excluded,
        "p_value": finite_or_none(found.p_value),
        **_estimate("energy{}_K", found.energy),
        "energy_kJ_per_mol": finite_or_none(found.energy.median * _KJ_PER_MOL),
        **_estimate("entropy{}_kB", found.entropy),
        **_estimate("kappa{}", found.kappa),
    }
    for rate, averaged in zip(found.rates, found.laws.averaged, strict=True):
        results |= _rate(rate)
        results |= _estimate(f"averaged_rate_{round(rate.temperature):04d}K{{}}_per_s", averaged)
    fits = found.laws.fits
    results["laws"] = [fit.law for fit in fits if fit.supported]
    results["by_law"] = by_law = {}
    for fit in fits:
        by_law[fit.law] = {"weight": finite_or_none(fit.weight), "log_evidence": finite_or_none(fit.log_evidence)}
        for name, estimate in fit.parameters.items():
            by_law[fit.law] |= _estimate(f"{name}{{}}_K", estimate)
        for rate in fit.rates:
            by_law[fit.law] |= _rate(rate)
    results["priors"] = {f"{name}_K": list(ends) for name, ends in found.laws.priors.items()} | {
        "energy_K": [0.0, LARGEST_ENERGY]
    }
    return results | _two_temperatures(found.two_temperatures, [rate.temperature for rate in found.rates])


def _rate(rate: RateEstimate) -> dict[str, Any]:
    name = f"rate_{round(rate.temperature):04d}K"
    return {
        **_estimate(name + "{}_per_s", rate.rate),
        f"{name}_lower_bound_per_s": rate.lower_bound,
        f"{name}_upper_bound_per_s": finite_or_none(rate.upper_bound),
        f"{name}_extrapolated": rate.extrapolated,
    }


def _two_temperatures(found: TwoTemperatures | None, temperatures: Sequence[float]) -> dict[str, Any]:
    rates = {f"gamma_rate_{round(temperature):04d}K_per_s": temperature for temperature in temperatures}
    keys = ("gamma", "gamma_interval", "gamma_temperatures_K", "gamma_energy_K", "gamma_entropy_kB")
    if found is None:
        return dict.fromkeys([*keys, *rates])
    values = (
        found.gamma,
        [finite_or_none(end) for end in found.gamma_interval],
        [found.t_hot, found.t_cold],
        found.energy,
        finite_or_none(found.entropy),
    )
    return dict(zip(keys, values, strict=True)) | {
        key: found.rates[temperature] for key, temperature in rates.items()
    }


def _estimate(key: str, found: Estimate) -> dict[str, Any]:
    """Return the median and the interval; ``_interval`` takes the place of {} in the key of the latter."""
    there = math.isfinite(found.median)
    return {
        key.format(""): finite_or_none(found.median),
        key.format("_interval"): [finite_or_none(found.low), finite_or_none(found.high)] if there else None,
    }
