"""Analyse the published counts again: ``python docs/paper_counts.py`` writes science/paper-counts.md and .svg."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aiida_cse.physics.exchange.equilibration import (
    equilibration_coefficient,
    equilibration_lower_bound,
    exchange_interval,
)
from aiida_cse.physics.kinetics.arrhenius_fit import Estimate, Kinetics, joint_kinetics
from aiida_cse.physics.kinetics.observations import Observation
from aiida_cse.physics.kinetics.resistance import counted_resistance, interfacial_resistance
from aiida_cse.physics.kinetics.transition_state import (
    expected_transitions,
    transition_rate,
    transmission_coefficient,
    vibrational_frequency,
)
from aiida_cse.physics.profiles.barriers import boltzmann_average
from aiida_cse.physics.statistics.poisson import poisson_interval, rate_interval, rate_ratio_interval

__all__ = ["FOLDER", "NAME", "figure", "page"]

FOLDER, NAME = Path(__file__).parent / "science", "paper-counts"

# published by Kozdra et al., PCCP 27, 24918 (2025)
HOT, COLD = 700.0, 600.0
ENTRIES, EXITS, WINDOW_NS = 7, 7, 380.0
COLD_ENTRIES, COLD_WINDOW_NS = 2, 300.0
IONS = 15
CELL_A = 38.91
SLAB_IONS, SALT_IONS = 1512, 90
SIDES_K = (8000.0, 7500.0)
CURVATURE_J_A2, MASS_KG = 5.1e-21, 1.15e-26
SLOPE_K_A = 1850.0
SHIFT_A = {700.0: 0.0, 600.0: 0.18, 500.0: 0.35, 400.0: 0.45}
PUBLISHED_400 = {2: 4e4, 3: 6e3, 6: 3e2}
#: standard error that is taken here for a barrier read from a figure with two digits
BARRIER_ERROR_K = 100.0

ION_SECONDS = IONS * 1e-9
BARRIER_K = float(boltzmann_average(SIDES_K, HOT))
FREQUENCY = float(vibrational_frequency(CURVATURE_J_A2, MASS_KG))
TEMPERATURES = tuple(SHIFT_A)
LOWERINGS = tuple(SLOPE_K_A * shift for shift in SHIFT_A.values())
#: Okabe and Ito's colours, told apart with any colour vision
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#595959"


def kinetics(
    level: float,
    temperatures: tuple[float, ...] = TEMPERATURES,
    lowerings: tuple[float, ...] = LOWERINGS,
    samples: int = 200_000,
) -> Kinetics:
    """Fit the two runs whose entries were counted near equilibrium, and name those that were not."""
    return joint_kinetics(
        [
            Observation(
                HOT,
                ENTRIES,
                WINDOW_NS * ION_SECONDS,
                barrier=BARRIER_K,
                barrier_error=BARRIER_ERROR_K,
                label="700 K",
            ),
            Observation(
                COLD,
                COLD_ENTRIES,
                COLD_WINDOW_NS * ION_SECONDS,
                equilibrated=False,
                conditioned=True,
                admitted=True,
                lowering=SLOPE_K_A * SHIFT_A[COLD],
                label="600 K",
            ),
            # N(Li excess) was about 38 and 28 there, never 42
            Observation(500.0, 0, 0.0, equilibrated=False, conditioned=True, label="500 K"),
            Observation(400.0, 0, 0.0, equilibrated=False, conditioned=True, label="400 K"),
        ],
        temperatures,
        lowerings=lowerings,
        laws=["arrhenius"],
        frequency=FREQUENCY,
        level=level,
        samples=samples,
    )


# -- page ----------------------------------------------------------------------------------------------------


def page() -> str:
    """Return the page."""
    wide, narrow = kinetics(0.95), kinetics(0.68)
    rows = [_row(*cells) for cells in (*_counts(), *_theory(), *_extrapolation(wide, narrow))]
    return TEMPLATE.format(
        rows="\n".join(rows),
        rates="\n".join(_rate_rows(wide, narrow)),
        resistances="\n".join(_resistance_rows(wide, narrow)),
        excluded=" and ".join(wide.excluded),
        slower=_percent(_share_below_one()),
        barrier_error=f"{BARRIER_ERROR_K:g}",
    )


def _counts() -> list[tuple[str, str, str, str]]:
    low, high = poisson_interval(ENTRIES)
    total = exchange_interval(ENTRIES, EXITS)
    gamma = (ENTRIES / WINDOW_NS) / (COLD_ENTRIES / COLD_WINDOW_NS)
    exact = {
        level: rate_ratio_interval(ENTRIES, WINDOW_NS, COLD_ENTRIES, COLD_WINDOW_NS, level)
        for level in (0.68, 0.95)
    }
    ec = equilibration_coefficient(ENTRIES, EXITS)
    bound = equilibration_lower_bound(ENTRIES, EXITS)
    return [
        ("entries at 700 K in 380 ns", f"{ENTRIES}", "–", f"{low:.1f} to {high:.1f}"),
        ("S_t at 700 K", f"{ENTRIES + EXITS}", "–", f"{total[0]:.1f} to {total[1]:.1f}"),
        ("EC at 700 K", f"{ec:.2f}", "–", f"at least {bound:.2f} (97.5 %)"),
        (
            "γ, rate at 700 K over rate at 600 K",
            f"{gamma:.2f}",
            _interval(exact[0.68], ".2g"),
            _interval(exact[0.95], ".2g"),
        ),
    ]


def _theory() -> list[tuple[str, str, str, str]]:
    expected = expected_transitions(transition_rate(BARRIER_K, FREQUENCY, HOT), IONS, WINDOW_NS * 1e-9)
    observed = {level: transmission_coefficient(ENTRIES, expected, level) for level in (0.68, 0.95)}
    rate = {level: rate_interval(ENTRIES, WINDOW_NS * ION_SECONDS, level) for level in (0.68, 0.95)}
    return [
        (
            "Γ at 700 K per ion, s⁻¹",
            _power(ENTRIES / (WINDOW_NS * ION_SECONDS)),
            _powers(rate[0.68]),
            _powers(rate[0.95]),
        ),
        ("entries expected by theory with κ = 1", f"{expected:.0f}", "–", "–"),
        (
            "κ, observed over expected",
            f"{observed[0.95].value:.3f}",
            f"{observed[0.68].low:.3f} to {observed[0.68].high:.3f}",
            f"{observed[0.95].low:.3f} to {observed[0.95].high:.3f}",
        ),
    ]


def _extrapolation(wide: Kinetics, narrow: Kinetics) -> list[tuple[str, str, str, str]]:
    return [
        (name, *(_numbers(getattr(wide, key), getattr(narrow, key), form)))
        for name, key, form in (("ΔE, K", "energy", ".0f"), ("ΔS, k_B", "entropy", ".1f"))
    ]


def _rate_rows(wide: Kinetics, narrow: Kinetics) -> list[str]:
    assert wide.two_temperatures is not None
    return [
        _row(
            f"{rate.temperature:g}",
            _power(wide.two_temperatures.rates[rate.temperature]),
            _power(rate.rate.median),
            _powers((inner.rate.low, inner.rate.high)),
            _powers((rate.rate.low, rate.rate.high)),
            _power(rate.upper_bound),
        )
        for rate, inner in zip(wide.rates, narrow.rates, strict=True)
    ]


def _resistance_rows(wide: Kinetics, narrow: Kinetics) -> list[str]:
    """Return R from the counts at 700 K, from the fit at the other temperatures, and from the published rates."""
    both = 2 * CELL_A**2 / 100
    hot = {
        level: counted_resistance(
            ENTRIES, EXITS, WINDOW_NS * 1e-9, both, HOT, level, inside=SLAB_IONS / (SLAB_IONS + SALT_IONS)
        )
        for level in (0.68, 0.95)
    }
    rows = [
        ("700, counted", _power(hot[0.95].value), *(_powers((one.low, one.high)) for one in hot.values())),
    ]
    for rate, inner in zip(wide.rates, narrow.rates, strict=True):
        median, *ends = (
            interfacial_resistance(IONS * np.array(values), both, rate.temperature)
            for values in (rate.rate.median, (inner.rate.high, inner.rate.low), (rate.rate.high, rate.rate.low))
        )
        rows.append((f"{rate.temperature:g}, fit", _power(float(median)), *(_powers(tuple(one)) for one in ends)))
    published = ", ".join(
        f"{_power(float(interfacial_resistance(IONS * rate, both, 400.0)))} (γ = {gamma})"
        for gamma, rate in PUBLISHED_400.items()
    )
    return [_row(*cells) for cells in (*rows, ("400, published rates", published, "–", "–"))]


def _share_below_one() -> float:
    """Return the posterior probability that the rate at 600 K is the higher one, without ΔE ≥ 0."""
    rng = np.random.default_rng(0)
    hot = rng.gamma(ENTRIES + 0.5, size=1_000_000) / WINDOW_NS
    cold = rng.gamma(COLD_ENTRIES + 0.5, size=1_000_000) / COLD_WINDOW_NS
    return float((hot < cold).mean())


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _numbers(wide: Estimate, narrow: Estimate, form: str) -> tuple[str, str, str]:
    return (
        format(wide.median, form).replace("-", "−"),
        _interval((narrow.low, narrow.high), form),
        _interval((wide.low, wide.high), form),
    )


def _interval(ends: tuple[float, float], form: str) -> str:
    return f"{ends[0]:{form}} to {ends[1]:{form}}".replace("-", "−")


def _power(value: float) -> str:
    """Return a number with one digit behind a power of ten, as rates with such errors deserve."""
    if 0.1 <= value < 1000:
        return f"{float(f'{value:.2g}'):g}"
    exponent = int(np.floor(np.log10(value)))
    digits = round(value / 10.0**exponent, 1)
    if digits >= 10:
        digits, exponent = digits / 10, exponent + 1
    return f"{digits:.1f}·10{str(exponent).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _powers(ends: tuple[float, float]) -> str:
    return f"{_power(ends[0])} to {_power(ends[1])}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


TEMPLATE = """# The published counts

Kozdra et al. (Phys. Chem. Chem. Phys. 2025, 27, 24918) counted 7 entries of Li⁺ into the ceramic (and 7 exits)
in 380 ns at 700 K, and 2 entries in the 300 ns of the 600 K run in which N(Li excess) was at least 42. ΔE, ΔS and the
rate at 400 K follow from their ratio. This page gives these numbers with their intervals. The page and its figure are
written by `python docs/paper_counts.py`; the equations are those of [rates](rates.md) and
[equilibration](equilibration.md).

| quantity | value | 68 % | 95 % |
| --- | --- | --- | --- |
{rows}

Rates per ion in a first layer, in s⁻¹. The second column is the published estimate, equations 9 to 11 with the observed
γ; the others are the posterior of the joint fit, with ΔE ≥ 0.

| T, K | with the observed γ | median | 68 % | 95 % | upper bound, 97.5 % |
| --- | --- | --- | --- | --- | --- |
{rates}

Resistance of a face of the slab in Ω cm², R = k_B T A / (e² k), with the 15 ions of both first layers and a
cross-section of 38.91 × 38.91 Å² ([resistance](resistance.md)):

| T, K | R | 68 % | 95 % |
| --- | --- | --- | --- |
{resistances}

![Rates against temperature and the distribution of the rate at 400 K](paper-counts.svg)

*Left: rates per ion from the entries at 700 and 600 K (points with exact 95 % intervals) and the joint fit (median,
68 % and 95 %). Diamonds: the published rates at 400 K for γ = 2, 3 and 6. Right: the posterior of the rate at 400 K,
and the same three rates.*

Conclusions:

* **The counts determine the rate at 700 K within a factor of about 2, and the rate at 400 K within three powers of ten
  at 68 % and more than five at 95 %.** The published range of γ, 2 to 6, corresponds to one event more or less; the exact
  interval is much wider, and with a probability of {slower} the rate at 600 K is not even the lower one. Γ(400 K) goes
  with γ to the power of −4.5, so the error of the counts dominates.
* EC at 700 K barely passes the verdict: its lower bound is just above 0.25.
* The runs at {excluded} are excluded: N(Li excess) was about 38 and 28 there, below 42, so that an entry would not
  have occurred at equilibrium.

Taken from the publication: counts, windows, 15 ions in the first layers, barriers of 8000 and 7500 K, k, the mass of
Li, a slope of 1850 K/Å and the shifts Δz. The standard error of the barrier is not published; {barrier_error} K is
assumed here. It affects ΔS only. Δz and the slope are assumed exact.

As nodes, with the settings of the protocol [`paper`](protocol.md) and its recipe, the same numbers give through
`cse.kinetics`, at γ = 3: ΔE 6,945 K, ΔS −1.09 and 5.8·10³ s⁻¹ at 400 K, or 0.81·10⁶ γ^−4.5 for any γ. Published are
6,924 K, −1.1, 6·10³ s⁻¹ and 0.8·10⁶ γ^−4.5. The differences are those of the rounded inputs: δ = 330 for 333 K, 7700 for
7706 K, and κ = 0.05 for 0.0496. A test holds the nodes to it.
"""  # noqa: E501


# -- figure --------------------------------------------------------------------------------------------------


def figure() -> Figure:
    """Return the figure."""
    canvas = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = canvas.subplots(1, 2, width_ratios=(3, 2))
    _draw_rates(left)
    _draw_distribution(right)
    return canvas


def _draw_rates(axes: Axes) -> None:
    inverse = np.linspace(1 / 720, 1 / 380, 60)
    temperatures = tuple(1 / inverse)
    lowerings = tuple(SLOPE_K_A * np.interp(temperatures, TEMPERATURES[::-1], list(SHIFT_A.values())[::-1]))
    for level, alpha in ((0.95, 0.2), (0.68, 0.4)):
        rates = [one.rate for one in kinetics(level, temperatures, lowerings, samples=20_000).rates]
        axes.fill_between(
            1000 * inverse,
            [rate.low for rate in rates],
            [rate.high for rate in rates],
            color=BLUE,
            alpha=alpha,
            lw=0,
            label=f"joint fit, {100 * level:g} %",
        )
    axes.plot(1000 * inverse, [rate.median for rate in rates], color=BLUE, label="joint fit, median")
    for temperature, entries, window in ((HOT, ENTRIES, WINDOW_NS), (COLD, COLD_ENTRIES, COLD_WINDOW_NS)):
        exposure = window * ION_SECONDS
        rate, (low, high) = entries / exposure, rate_interval(entries, exposure)
        label = "counted, 95 %" if temperature == HOT else None
        axes.errorbar(
            1000 / temperature, rate, [[rate - low], [high - rate]], fmt="o", color="black", capsize=3, label=label
        )
    axes.plot(
        np.full(3, 2.5), list(PUBLISHED_400.values()), "D", color=ORANGE, label="published, γ = 2, 3, 6", zorder=3
    )
    axes.set(yscale="log", xlim=(1.38, 2.64), ylim=(1, 2e7), xlabel="1000 K / T", ylabel="Γ per ion (s⁻¹)")
    top = axes.secondary_xaxis("top", functions=(_reciprocal, _reciprocal))
    top.set_xticks([700, 600, 500, 400])
    top.set_xlabel("T (K)")
    axes.legend(frameon=False, fontsize="small", loc="lower left")


def _reciprocal(values: np.ndarray) -> np.ndarray:
    return 1000 / np.maximum(values, 1e-9)


def _draw_distribution(axes: Axes) -> None:
    found = kinetics(0.95)
    assert found.laws.draws is not None
    logs = found.laws.draws.log_rate(400.0, LOWERINGS[-1]) / np.log(10)
    axes.hist(logs, bins=np.arange(-4, 8, 0.25), density=True, color=BLUE, alpha=0.4)
    for gamma, rate in PUBLISHED_400.items():
        axes.axvline(np.log10(rate), color=ORANGE, lw=1.5)
        axes.text(np.log10(rate), 0.345, f"{gamma}", color=ORANGE, ha="center", va="bottom")
    axes.text(np.log10(2e5), 0.345, "= γ", color=ORANGE, ha="left", va="bottom")
    axes.set(ylim=(0, 0.34), xlim=(-3, 8), xlabel="log₁₀ Γ(400 K) / s⁻¹", ylabel="probability per decade")


def write() -> None:
    """Write page and figure."""
    (FOLDER / f"{NAME}.md").write_text(page(), encoding="utf-8")
    # the same file from the same numbers
    with mpl.rc_context({"svg.hashsalt": NAME, "font.size": 10, "svg.fonttype": "none"}):
        figure().savefig(FOLDER / f"{NAME}.svg", metadata={"Date": None})


if __name__ == "__main__":
    write()
