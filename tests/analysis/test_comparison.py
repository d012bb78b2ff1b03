"""Comparison of two runs of known structure: peaks, numbers and Δz are found, with true errors."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from aiida_cse.analysis.comparison import ComparisonSettings, compare, findings
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.profiles import rebinned
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.analysis.structure import Structure
from aiida_cse.reduction.state import State, Track
from tests.reduction.synthetic import HALF, config

FRAMES, LENGTH = 2000, 110.0


def densities(z: np.ndarray[Any, Any], closer: float, height: float) -> dict[str, np.ndarray[Any, Any]]:
    """Return mean counts per frame and Å: ions in the slab, layers that sit ``closer``, bulk."""
    place = np.abs(z) + closer
    bulk = 1 / (1 + np.exp(-(place - 34) / 2))
    inside = np.where(np.abs(z) < HALF - 1, 0.25, 0.0)
    lithium = inside + height * np.exp(-(((place - 28.3) / 1.5) ** 2)) + 0.05 * bulk + 2e-3
    anions = 0.25 * np.exp(-(((place - 22.6) / 1.4) ** 2)) + 0.1 * np.exp(-(((place - 31) / 2) ** 2)) + 0.05 * bulk
    return {"Li": lithium, "TFSI": anions}


def alternating(made: State) -> Track:
    """Return ions that all change between the ceramic and a layer at each snapshot."""
    empty = made.tracks["snapshot"]
    looks, ions = made.snapshots[1:], np.arange(len(empty.first_labels))
    places = np.resize([[1, 2], [2, 1]], (len(looks), 2)).repeat(len(ions), axis=0)
    events = np.column_stack([looks.repeat(len(ions)), np.tile(ions, len(looks)), places[:, ::-1]])
    first = np.full(len(ions), events[0, 2], dtype=np.int8)
    return Track(first, np.zeros(len(ions), np.int64), events[-len(ions) :, 3].astype(np.int8), events)


def production(
    seed: int,
    temperature: float,
    *,
    closer: float = 0.0,
    height: float = 0.4,
    ceramic: float = 6.0,
    length: float = LENGTH,
    noise: bool = True,
    **changes: Any,
) -> ReducedProduction:
    """Return a run of independent frames with this structure."""
    rng = np.random.default_rng(seed)
    settings = config(bins=550, box=(20.0, 20.0, length), **changes)
    made = State.empty(settings, 0, FRAMES, ions=20)
    z = settings.grid.centres
    wanted = densities(z, closer, height)
    scale = settings.block_frames * length / settings.bins
    draw = (lambda mean: rng.poisson(mean, (len(made.histograms), len(z)))) if noise else (
        lambda mean: np.broadcast_to(np.round(mean * 1e6).astype(np.int64), (len(made.histograms), len(z)))
    )  # fmt: skip
    for label, row, ion in (("Li", 0, "Li"), ("N", 1, "TFSI")):
        counts = draw(scale * wanted[ion])
        made.point_histograms[:, row] = counts
        made.histograms[:, settings.labels.index(label)] = counts
    for row, mean in ((0, ceramic), (1, 1.0)):
        made.region_counts[:, row, 2] = rng.poisson(mean, FRAMES)
        made.region_counts[:, row, 1] = rng.poisson(4, FRAMES)
        made.region_counts[:, row, 3] = rng.poisson(4, FRAMES)
    made.tracks["snapshot"] = alternating(made)
    return ReducedProduction(made, temperature, AnalysisSettings())


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return compare(
        production(1, 700.0), production(2, 400.0, closer=0.3, height=0.5, ceramic=5.0, length=LENGTH - 0.6)
    )


@pytest.fixture(scope="module")
def contracted() -> dict[str, Any]:
    return compare(production(1, 700.0), production(2, 400.0, closer=0.3, length=LENGTH - 0.6))


@pytest.mark.parametrize("name", ["dz", "dz_left", "dz_right"])
def test_the_known_shift_is_found_from_the_charge_integrals(contracted: dict[str, Any], name: str) -> None:
    error = contracted[f"{name}_error_A"]
    assert 0.001 < error < 0.2
    assert contracted[f"{name}_A"] == pytest.approx(0.3, abs=4 * error)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_known_shift_is_found_from_the_free_energies(found: dict[str, Any], side: str) -> None:
    error = found[f"dz_free_energy_{side}_error_A"]
    assert found[f"dz_free_energy_{side}_A"] == pytest.approx(0.3, abs=4 * error + 0.05)
    assert found[f"df_{side}_error_K"] > 0


def test_shifted_charge_integrals_coincide_within_their_noise(contracted: dict[str, Any]) -> None:
    for side in ("left", "right"):
        left, noise = (contracted[f"charge_{what}_{side}_e_per_A2"] for what in ("difference", "noise"))
        assert left < contracted[f"charge_difference_{side}_unmoved_e_per_A2"]
        assert left < 2.5 * noise


def test_a_difference_other_than_a_shift_enlarges_the_error(
    found: dict[str, Any], contracted: dict[str, Any]
) -> None:
    """In the other pair the peak of Li is higher: the integrals differ by more than a shift and noise."""
    assert found["charge_difference_right_e_per_A2"] > 2 * found["charge_noise_right_e_per_A2"]
    assert found["dz_error_A"] > 2 * contracted["dz_error_A"]
    assert found["dz_A"] == pytest.approx(0.3, abs=3 * found["dz_error_A"])


@pytest.mark.parametrize(("ion", "place"), [("li", 28.3), ("tfsi", 22.6)])
@pytest.mark.parametrize(("side", "sign"), [("left", -1), ("right", 1)])
def test_peaks_are_found_at_their_known_positions(
    found: dict[str, Any], ion: str, place: float, side: str, sign: int
) -> None:
    key = f"peak_{ion}_{side}"
    for run, closer in (("hot", 0.0), ("cold", 0.3)):
        error = found[f"{key}_{run}_z_error_A"]
        assert found[f"{key}_{run}_z_A"] == pytest.approx(sign * (place - closer), abs=4 * error + 0.02)
    assert found[f"{key}_closer_A"] == pytest.approx(0.3, abs=4 * found[f"{key}_closer_error_A"])
    ratio, error = found[f"{key}_height_ratio"], found[f"{key}_height_ratio_error"]
    assert ratio == pytest.approx(1.25 if ion == "li" else 1.0, abs=4 * error + 0.02)


def test_heights_of_peaks_are_densities(found: dict[str, Any]) -> None:
    """0.4 per Å of a box of 20 × 20 Å², and what of the bulk is there."""
    height = densities(np.array([28.3]), 0.0, 0.4)["Li"][0] / 400
    assert found["peak_li_right_hot_per_A3"] == pytest.approx(height, rel=0.05)


def test_numbers_of_ions_are_compared_by_region(found: dict[str, Any]) -> None:
    assert found["n_li_ceramic_difference"] == pytest.approx(-1, abs=5 * found["n_li_ceramic_difference_error"])
    assert found["n_li_ceramic_difference"] == pytest.approx(found["n_li_excess_difference"])
    assert found["n_li_ceramic_difference_error"] == pytest.approx(np.sqrt(11 / FRAMES), rel=0.6)
    assert found["n_tfsi_layer_difference"] == pytest.approx(0, abs=5 * found["n_tfsi_layer_difference_error"])
    assert "n_tfsi_excess_difference" not in found


def test_a_comparison_can_be_stored_and_reported(found: dict[str, Any]) -> None:
    for value in found.values():
        assert value is None or type(value) in (str, int, list) or (type(value) is float and np.isfinite(value))
    assert found["reasons"] == []
    first, *others = findings(found)
    assert first.startswith("the first layers sit 0.")
    assert first.endswith("Å closer at 400 K than at 700 K")
    assert others[0].startswith("N(li, ceramic) 6.")


def test_errors_are_the_scatter_of_repetitions() -> None:
    """Δz of runs of the same structure scatters as its errors say."""
    pairs = [compare(production(2 * seed, 700.0), production(2 * seed + 1, 600.0)) for seed in range(10, 34)]
    values = np.array([pair["dz_A"] for pair in pairs])
    errors = np.array([pair["dz_error_A"] for pair in pairs])
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.45)
    assert values.mean() == pytest.approx(0, abs=4 * values.std() / np.sqrt(len(values)))


def test_a_number_that_cannot_be_determined_has_a_reason() -> None:
    """Without an ion there is no peak, no free energy and no charge to shift."""
    empty = production(1, 700.0, noise=False)
    for array in (empty.state.histograms, empty.state.point_histograms):
        array[:] = 0
    found = compare(empty, production(2, 600.0))
    assert found["dz_A"] is None
    assert found["peak_li_right_closer_A"] is None
    assert any(reason.startswith("peak of li, right, hot: ") for reason in found["reasons"])
    assert any(reason.startswith("charge integrals, left: ") for reason in found["reasons"])
    assert found.keys() == compare(production(1, 700.0), production(2, 600.0)).keys()


def test_rebinning_conserves_the_number_of_ions() -> None:
    z, other = np.arange(10) + 0.5, np.arange(0, 12, 0.8) + 0.4
    values = np.random.default_rng(1).random((3, 10))
    found = rebinned(values, z, other)
    assert found.sum(axis=1) * 0.8 == pytest.approx(values.sum(axis=1))
    assert rebinned(values, z, z) == pytest.approx(values)
    assert (found[:, other > 10.4] == 0).all()


def test_the_zero_of_f_is_inside_the_ceramic() -> None:
    structure = Structure.of(production(1, 700.0))
    energies = structure.free_energies("li")
    assert energies.has_zero
    at = [np.argmin(np.abs(structure.z - place)) for place in (15.3, -15.3)]
    assert energies.values[:, at].mean(axis=1) == pytest.approx(0, abs=1e-9)
    assert not structure.free_energies("tfsi").has_zero


@pytest.mark.parametrize(
    ("hot", "cold", "message"),
    [
        ((600.0, {}), (700.0, {}), "cold temperature = 700 K: it must be below that of the hot run, 600 K"),
        ((700.0, {}), (600.0, {"block_ps": 1000}), "there is no whole block of time"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(hot: Any, cold: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare(production(1, hot[0], **hot[1]), production(2, cold[0], **cold[1]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": [10, 5]}, r"window = \[10"),
        ({"max_shift": 0}, "max_shift"),
        ({"peak_half_width": -1}, "peak_half_width"),
        ({"windows": None}, "did you mean 'window'"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ComparisonSettings.model_validate(settings)


def test_the_window_of_the_settings_is_compared() -> None:
    pair = production(1, 700.0), production(2, 400.0, closer=0.3)
    found = compare(*pair, ComparisonSettings(window=(2.0, 14.0)))
    assert found["dz_A"] == pytest.approx(0.3, abs=4 * found["dz_error_A"])
    assert found["dz_A"] != compare(*pair)["dz_A"]
