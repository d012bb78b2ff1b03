"""Criteria of other programs and the runs they judge: a short version of ``benchmarks.statistics.stop_peers``."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.statistics.peer_cases import ATOMS, CASES, FRAMES, PAIRS, energies, observe
from benchmarks.statistics.peer_criteria import (
    dynden_pairs,
    dynden_successive,
    kim_convergence,
    radonpy,
    radonpy_whole,
)
from benchmarks.statistics.stop_peers import METHODS, Row, main, measure, pooled, rows

Floats = NDArray[np.float64]


def white(frames: int, mean: float = 50.0) -> Floats:
    return mean + np.random.default_rng(1).normal(size=frames)


def profiles(shift: float) -> Floats:
    """Return counts of 3,000 draws from a peak that moves by ``shift`` bins per block."""
    rng = np.random.default_rng(2)
    places = np.array([rng.normal(30 + shift * block, 8, size=3000) for block in range(10)])
    return np.array([np.histogram(one, bins=100, range=(0, 100))[0] for one in places], dtype=np.float64)


def test_kim_convergence_passes_white_noise_and_fails_a_drift() -> None:
    assert kim_convergence(white(500))
    assert not kim_convergence(white(500) + np.linspace(0, 20, 500))


def test_kim_convergence_passes_a_number_that_never_changes() -> None:
    """The reason for its false positives: few crossings look like a plateau."""
    assert kim_convergence(np.full(500, 25.0))
    assert not kim_convergence(np.zeros(500))


def test_dynden_passes_a_stationary_profile_and_fails_a_moving_one() -> None:
    still, moving = profiles(0.0), profiles(6.0)
    assert dynden_successive(still)
    assert dynden_pairs(still)
    assert not dynden_successive(moving)
    assert not dynden_pairs(moving)


def test_dynden_compares_successive_blocks_and_misses_a_slow_shift() -> None:
    slow = profiles(1.5)
    assert dynden_successive(slow)
    assert not dynden_pairs(slow)


def test_dynden_fails_a_correlation_that_still_rises() -> None:
    blend = np.exp(-np.arange(10) / 3)[:, None]
    assert not dynden_successive(profiles(0.0) * (1 - blend) + blend * profiles(6.0)[::-1])


def test_radonpy_passes_white_noise_and_fails_a_drift_of_half_a_percent() -> None:
    noise = 1e4 + np.random.default_rng(3).normal(scale=20, size=(2, 4000))
    drift = np.linspace(0, 50, 4000)
    assert radonpy(noise)
    assert not radonpy(noise + drift)
    assert not radonpy(np.stack([noise[0], noise[1] + drift]))
    assert radonpy_whole(noise)
    assert not radonpy_whole(noise + drift)


def test_ions_start_as_asked_and_relax_in_the_time_asked() -> None:
    case = CASES[0].case
    rates = np.sort(-np.linalg.eigvals(case.chain.generator).real)
    assert rates[1] * FRAMES == pytest.approx(CASES[0].times)
    expected = np.exp(-CASES[0].heights)
    assert case.chain.stationary == pytest.approx(expected / expected.sum(), abs=1e-9)
    assert case.start[case.chain.inside].sum() == pytest.approx(0)
    full = next(one for one in CASES if np.isinf(one.filled)).case
    assert full.start[full.chain.inside].sum() == pytest.approx(1)


def test_deep_sites_relax_far_more_slowly_than_the_surface() -> None:
    hidden = next(case for case in CASES if case.deep)
    rates = np.sort(-np.linalg.eigvals(hidden.case.chain.generator).real)
    assert rates[2] > 20 * rates[1]


def test_the_noise_of_the_energy_has_the_heat_capacity_of_the_atoms() -> None:
    potential, kinetic, single = energies(np.full(400, 7.0), np.random.default_rng(4))
    assert potential.mean() == pytest.approx(1.5 * ATOMS + 7, abs=1)
    assert kinetic.std() == pytest.approx(np.sqrt(1.5 * ATOMS / 1000), rel=0.1)
    assert single[1].mean() == pytest.approx(3 * ATOMS + 7, abs=15)
    # C = 3 N k_B of the whole system
    assert single[1].var() == pytest.approx(3 * ATOMS, rel=0.1)


def test_series_of_a_run_agree_with_each_other() -> None:
    seen = observe(CASES[2], np.random.SeedSequence(5))
    inside = CASES[2].case.chain.inside
    assert seen.profiles.sum() == FRAMES * seen.run.ions
    assert seen.profiles[:, inside].sum() == seen.population.sum()
    assert len(seen.population) == len(seen.potential) == FRAMES


def test_a_pair_of_starts_is_equilibrated_if_both_runs_are() -> None:
    measured = [np.zeros((4, len(METHODS))) for _ in CASES]
    below, above = PAIRS["two starts: 1 τ"]
    measured[below][:2, 1], measured[above][1:, 1] = 1, 1
    found = {row.name: row for row in rows(measured)}
    assert found["two starts: 1 τ"].shares[1] == pytest.approx(0.25)
    assert found["two starts: 1 τ"].off
    assert found["two starts: equilibrated, 12 τ"].equilibrated
    assert found[CASES[below].name].shares[1] == pytest.approx(0.5)
    off, equilibrated = pooled(list(found.values()))
    assert len(off.judgements) == len(equilibrated.judgements) + 4 * 2
    assert off.shares[1] == pytest.approx(5 / 28)


def test_the_fitted_threshold_gives_dynden_the_power_of_the_verdict() -> None:
    fitted = METHODS.index("DynDen fit")
    measured = [np.zeros((100, len(METHODS))) for _ in CASES]
    for case, one in zip(CASES, measured, strict=True):
        one[:80, 0] = case.equilibrated
        one[:, fitted] = np.linspace(0.9, 1.0, 100)
    off, equilibrated = pooled(rows(measured))
    assert equilibrated.shares[[0, fitted]] == pytest.approx(0.8, abs=0.011)
    assert off.shares[[0, fitted]] == pytest.approx([0, 0.8], abs=0.011)


def test_a_row_states_shares_with_intervals_and_fails_above_its_bound() -> None:
    judgements = np.zeros((400, len(METHODS)), dtype=bool)
    judgements[:40, 1] = True
    row = Row("some", 2.0, judgements)
    assert row.bound == pytest.approx(1 - 0.05 ** (1 / 400))
    assert "10   (7–13)" in str(row)
    assert "FAILS" not in str(row)
    judgements[:30, 0] = True
    assert "FAILS" in str(row)
    assert "FAILS" not in str(Row("some", 0.5, judgements))
    assert "FAILS" not in str(Row("hidden: some", 2.0, judgements))


def test_judgements_are_reproducible_and_one_run_proves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert (measure(3, runs=2) == measure(3, runs=2)).all()
    assert main(["--runs", "1", "--processes", "1"]) == 1
    printed = capsys.readouterr().out
    assert "too many: all inside, 0.02 τ" in printed
    assert "falsely called equilibrated: verdict 0.0 % (upper bound of the worst case 95.0 %" in printed
