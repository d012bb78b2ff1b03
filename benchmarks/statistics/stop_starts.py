"""Error rate of the judgement of two starts: pairs of runs with too many and with too few ions in the slab.

Ions hop between bulk, first layer and three depths of the slab. The pairs of each case are judged once, at their
end, by the verdict on either run alone and by the judgement of both (:mod:`aiida_cse.physics.exchange.starts`).
Times are in relaxation times τ of the exchange; the judged window is what remains after the first third. The
outcome "from both sides" is false if the mean number in the slab, known from the rates and the times at which the
gate was open, still deviates by more than one standard deviation in one of the runs. In the hidden and the
bistable cases it is always false, as it is where ions leave the slab for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from aiida_cse.physics.exchange.relaxation import member_frames
from aiida_cse.physics.exchange.starts import BOTH_SIDES, ONE_START, StartedRun, judge_starts
from aiida_cse.physics.exchange.transitions import count_transitions
from aiida_cse.physics.exchange.verdict import Criteria, ExchangeData, equilibration_verdict

__all__ = ["STARTS_HEADER", "START_CASES", "StartCase", "StartRow", "conclude_starts", "measure_starts"]

Floats, States = NDArray[np.float64], NDArray[np.int8]
Extra = Literal["even", "surface", "deep"]

#: bulk, first layer, and three depths of the slab
_OUTSIDE, _DEPTHS = 2, 3
_NAMES = ("surface", "middle", "deep")
#: frames in a relaxation time, and pairs that are simulated together
_TAU, _BATCH = 60, 50
#: the targets: upper bound of the share of false outcomes, and share of plain pairs that are recognised
MOST_FALSE, LEAST_POWER, LEVEL = 0.05, 0.8, 0.95
_NAME = 46
STARTS_HEADER = (
    f"{'two starts':<{_NAME}} {'pairs':>5} {'σ apart':>7} {'window':>6} {'alone %':>8} {'both alone':>10} "
    f"{'one start':>9} {'both sides':>10} {'false %':>8} {'bound':>6}"
)


@dataclass(frozen=True)
class StartCase:
    """Pairs of runs of ions in a slab with three depths.

    Attributes
    ----------
    name
        The process, and where the extra ions are at the start.
    gap
        Difference of the numbers in the slab at the start, in standard deviations at equilibrium.
    window
        Judged time in relaxation times τ of the exchange.
    inner
        Rate between the depths per τ; the exchange of a well-mixed slab relaxes in one τ.
    extra
        Where the ions are that are too many or too few: at all depths, at the surface, or in the deepest sites.
    centre
        Mean of the two numbers at the start minus that at equilibrium, in standard deviations.
    gate
        Mean times (closed, open), in τ, of a gate through which all ions enter and leave; None without one.
    attraction
        Strength at which the ions in the slab attract each other, of which 2 divides them into two phases.
    ions
        Number of ions.
    lost
        Ions of each run that leave for good, at times spread evenly over the run.
    relaxes, promised
        Whether the ions relax within a few τ, and whether such a case must be recognised.
    limit
        Whether the case shows a limit of the judgement, and false outcomes are only reported.
    """

    name: str
    gap: float = 10.0
    window: float = 6.0
    inner: float = 50.0
    extra: Extra = "even"
    centre: float = 0.0
    gate: tuple[float, float] | None = None
    attraction: float = 0.0
    ions: int = 120
    lost: int = 0
    relaxes: bool = True
    promised: bool = False
    limit: bool = False

    def step(self) -> Floats:
        """Return the cumulated probabilities (2, 5, 5) of a frame, first without exchange, then with it."""
        rates = np.zeros((2, _OUTSIDE + _DEPTHS, _OUTSIDE + _DEPTHS))
        for exchange, table in enumerate(rates):
            table[0, 1] = table[1, 0] = 50.0
            for depth in range(_OUTSIDE, _OUTSIDE + _DEPTHS - 1):
                table[depth, depth + 1] = table[depth + 1, depth] = self.inner
            # half of the ions are in the slab at equilibrium; a slab that mixes quickly relaxes in one τ
            occupied = _DEPTHS if self.inner > 1 else 1
            table[1, 2], table[2, 1] = exchange * np.array([1.0, occupied / 2]) * self._speed
        generators = rates - np.array([np.diag(table.sum(axis=1)) for table in rates])
        return np.array([np.cumsum(linalg.expm(one / _TAU), axis=1) for one in generators])

    @property
    def _speed(self) -> float:
        """Factor of the exchange rates, larger with a gate, so that the exchange relaxes in about one τ."""
        return 1.0 if self.gate is None else sum(self.gate) / self.gate[1]

    def shares(self, sign: int) -> Floats:
        """Return the share of the ions in each state at the start, of a run with too many (1) or few (−1) ions."""
        stationary = _stationary(self.step()[1])
        inside = float(stationary[_OUTSIDE:].sum())
        deviation = np.sqrt(inside * (1 - inside) / self.ions)
        excess = (self.centre + sign * self.gap / 2) * deviation
        places = {
            "even": stationary[_OUTSIDE:] / inside,
            "surface": np.eye(_DEPTHS)[0],
            "deep": np.eye(_DEPTHS)[-1],
        }
        begun = stationary.copy()
        begun[_OUTSIDE:] += excess * places[self.extra]
        begun[:_OUTSIDE] *= (1 - inside - excess) / (1 - inside)
        if (begun < 0).any():
            raise ValueError(f"{self.name}: gap = {self.gap:g}: there are too few ions or places; make it smaller")
        return begun

    def simulate(self, sign: int, pairs: int, rng: np.random.Generator) -> tuple[States, NDArray[np.bool_]]:
        """Return the states (frames + 1, pairs, ions) of runs with too many or too few ions; which relaxed."""
        steps, frames = self.step(), round(1.5 * self.window * _TAU)
        bounds = np.round(np.cumsum(self.shares(sign)) * self.ions).astype(int)
        here = np.tile(np.searchsorted(bounds, np.arange(self.ions), side="right").astype(np.int8), (pairs, 1))
        open_now, exchanged = np.ones(pairs, dtype=bool), np.zeros(pairs)
        if self.gate is not None:
            open_now = rng.random(pairs) < self.gate[1] / sum(self.gate)
        found = np.empty((frames + 1, pairs, self.ions), dtype=np.int8)
        found[0] = here
        for frame in range(frames):
            if self.gate is not None:
                toggled = rng.random(pairs) < 1 / (_TAU * np.where(open_now, self.gate[1], self.gate[0]))
                open_now = open_now ^ toggled
            exchanged += open_now * self._speed / _TAU
            table = steps[open_now.astype(int)]
            draws = rng.random(here.shape)
            after = (draws[:, :, None] > table[np.arange(pairs)[:, None], here]).sum(axis=2)
            after = np.minimum(after, _OUTSIDE + _DEPTHS - 1).astype(np.int8)
            if self.attraction:
                after = self._attracted(here, after, rng)
            here = after
            found[frame + 1] = here
        for run in range(pairs if self.lost else 0):
            for ion in rng.choice(self.ions, self.lost, replace=False):
                found[rng.integers(frames + 1) :, run, ion] = 0
        remaining = abs(self.centre + sign * self.gap / 2) * np.exp(-exchanged)
        return found, (remaining <= 1) & self.relaxes

    def _attracted(self, here: States, after: States, rng: np.random.Generator) -> States:
        """Return the states after the moves that the attraction allows (Metropolis).

        The weight of N ions in the slab is multiplied by exp(a (N − n/2)² / n).
        """
        change = (after >= _OUTSIDE).astype(np.int8) - (here >= _OUTSIDE)
        number = (here >= _OUTSIDE).sum(axis=1)[:, None]
        middle, a = self.ions / 2, self.attraction / self.ions
        gain = a * ((number + change - middle) ** 2 - (number - middle) ** 2)
        return np.where(rng.random(here.shape) < np.exp(np.minimum(gain, 0)), after, here).astype(np.int8)


def _stationary(step: Floats) -> Floats:
    table = np.diff(step, axis=1, prepend=0)
    system = np.vstack([table.T - np.eye(len(table)), np.ones(len(table))])
    found: Floats = np.linalg.lstsq(system, np.append(np.zeros(len(table)), 1), rcond=None)[0]
    return found


START_CASES: tuple[StartCase, ...] = (
    StartCase("plain, 10 σ", promised=True),
    StartCase("plain, 10 σ, window of 4 τ", window=4),
    StartCase("plain, 10 σ, window of 3 τ", window=3),
    StartCase("plain, 10 σ, window of 2 τ", window=2),
    StartCase("plain, 8 σ", gap=8),
    StartCase("plain, 8 σ, window of 9 τ", gap=8, window=9),
    StartCase("plain, 14 σ", gap=14, promised=True),
    StartCase("plain, 10 σ, both too full", centre=4, promised=True),
    StartCase("plain, slab mixes slowly, 10 σ", inner=4, window=9),
    StartCase("hidden: deep sites 100 τ, at all depths", inner=0.01, gap=10, relaxes=False),
    StartCase("hidden: deep sites 100 τ, at the surface", inner=0.01, gap=7, extra="surface", relaxes=False),
    StartCase("hidden: deep sites 100 τ, deep", inner=0.01, gap=7, extra="deep", relaxes=False),
    StartCase("hidden: deep sites 20 τ, at all depths", inner=0.05, gap=10, relaxes=False),
    StartCase("hidden: deep sites 20 τ, at the surface", inner=0.05, gap=7, extra="surface", relaxes=False),
    StartCase("hidden: deep sites 20 τ, deep", inner=0.05, gap=7, extra="deep", relaxes=False),
    StartCase("bistable: attracting ions in two phases", attraction=3.0, relaxes=False),
    StartCase("attracting ions, one phase", attraction=1.0, window=12),
    StartCase("gate, 18 openings in a run", gate=(0.45, 0.05), limit=True),
    StartCase("gate, 3 openings in a run", gate=(2.94, 0.06), limit=True),
    StartCase("gate, 1 opening in a run", gate=(8.9, 0.1), limit=True),
    StartCase("drift: 20 ions leave for good", lost=20, relaxes=False, limit=True),
    StartCase("drift: 40 ions leave for good", lost=40, relaxes=False, limit=True),
    StartCase("drift: 60 ions leave for good", lost=60, relaxes=False, limit=True),
    StartCase("drift: 90 ions leave for good", lost=90, relaxes=False),
)


@dataclass(frozen=True)
class StartRow:
    """Outcomes of one case.

    Attributes
    ----------
    case, pairs
        The case, and the number of its pairs.
    alone, both_alone
        Share of the runs, and of the pairs with both runs, that the verdict on a single run calls equilibrated.
    one_start, both_sides, false
        Number of pairs that are equilibrated as far as one start can tell, from both sides, and falsely so.
    """

    case: StartCase
    pairs: int
    alone: float
    both_alone: float
    one_start: int
    both_sides: int
    false: int

    @property
    def bound(self) -> float:
        """One-sided upper bound of the share of false outcomes."""
        test = stats.binomtest(self.false, self.pairs, alternative="less")
        return float(test.proportion_ci(LEVEL, "exact").high)

    @property
    def holds(self) -> bool:
        """True if false outcomes are rare and relaxed pairs, where promised, are recognised."""
        recognised = not self.case.promised or self.both_sides / self.pairs >= LEAST_POWER
        return recognised and (self.bound <= MOST_FALSE or self.case.limit)

    def __str__(self) -> str:
        case, pairs = self.case, self.pairs
        return (
            f"{case.name:<{_NAME}} {pairs:>5} {case.gap:>7g} {case.window:>6g} {100 * self.alone:>8.0f} "
            f"{100 * self.both_alone:>10.0f} {100 * self.one_start / pairs:>9.0f} "
            f"{100 * self.both_sides / pairs:>10.0f} {100 * self.false / pairs:>8.1f} {100 * self.bound:>6.1f}"
            f"{'' if self.holds else '  FAILS'}"
        )


def measure_starts(place: int, pairs: int, seed: int) -> StartRow:
    """Measure the case at an index of :data:`START_CASES`."""
    case = START_CASES[place]
    rng = np.random.default_rng([seed, place])
    alone: list[tuple[bool, bool]] = []
    kinds: list[str] = []
    false = 0
    while len(kinds) < pairs:
        batch = min(_BATCH, pairs - len(kinds))
        states, relaxed = zip(*(case.simulate(sign, batch, rng) for sign in (1, -1)), strict=True)
        for pair in range(batch):
            runs = [one[:, pair] for one in states]
            verdicts = tuple(_alone(one) for one in runs)
            alone.append((verdicts[0], verdicts[1]))
            started = {
                name: StartedRun.from_layers(one.astype(int) - _OUTSIDE, _DEPTHS, equilibrated=verdict)
                for name, one, verdict in zip(("filled", "emptied"), runs, verdicts, strict=True)
            }
            kinds.append(judge_starts(started, _NAMES).kind)
            false += kinds[-1] == BOTH_SIDES and not all(one[pair] for one in relaxed)
    return StartRow(
        case,
        pairs,
        float(np.mean(alone)),
        float(np.mean(np.all(alone, axis=1))),
        kinds.count(ONE_START),
        kinds.count(BOTH_SIDES),
        false,
    )


def _alone(states: States) -> bool:
    """Return the verdict with default criteria on a run whose first third is left out."""
    judged = (states[len(states) // 3 :] >= _OUTSIDE).astype(np.int8)
    events = count_transitions(judged, "snapshot", names=("outside", "inside")).events
    entering = events[:, 3] == 1
    counts = np.zeros((judged.shape[1], 2), dtype=np.int64)
    np.add.at(counts, (events[:, 1], np.where(entering, 0, 1)), 1)
    times = member_frames(0, len(judged))
    data = ExchangeData(
        int(entering.sum()),
        int((~entering).sum()),
        net_fluxes=np.bincount(events[:, 0] - 1, weights=np.where(entering, 1, -1), minlength=len(judged) - 1),
        population=judged.sum(axis=1),
        ion_counts=counts,
        members=judged[times],
    )
    return equilibration_verdict(data, Criteria()).equilibrated


def conclude_starts(rows: Sequence[StartRow]) -> str:
    """Return the summary: the worst share of false outcomes but for limits, and the least share recognised."""
    worst = max((row for row in rows if not row.case.limit), key=lambda row: row.bound, default=None)
    least = min(
        (row for row in rows if row.case.promised), key=lambda row: row.both_sides / row.pairs, default=None
    )
    parts = []
    if worst is not None:
        parts.append(
            f"falsely equilibrated from both sides at most {100 * worst.bound:.1f} % ({worst.case.name}), "
            f"required {100 * MOST_FALSE:g}"
        )
    if least is not None:
        parts.append(
            f"recognised at least {100 * least.both_sides / least.pairs:.0f} % ({least.case.name}), required "
            f"{100 * LEAST_POWER:g}"
        )
    return f"{len(rows)} cases of two starts: {'; '.join(parts)}"
