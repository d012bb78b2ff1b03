"""The shipped sets load, are consistent, and give LAMMPS the coefficients of the published forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_cse.forcefields import available_sets, load_set
from aiida_cse.forcefields.models import DihedralTerm, ForceFieldSet, canonical

EV = 23.060548


@pytest.mark.parametrize("name", available_sets())
def test_every_shipped_set_is_valid_and_cited(name: str) -> None:
    loaded = load_set(name)
    assert loaded.name == name
    assert loaded.citations


def test_unknown_set_names_the_available_ones() -> None:
    with pytest.raises(ValueError, match=r"'jalem-2016'; did you mean 'jalem-2015'.*cl-p-2004, jalem-2015"):
        load_set("jalem-2016")


@pytest.mark.parametrize(
    ("pair", "a", "rho", "c"),
    [
        (("Li", "O"), 876.86, 0.2433, 0.0),
        (("La", "O"), 14509.63, 0.2438, 30.83),
        (("O", "O"), 4869.99, 0.2402, 27.22),
        (("Zr", "O"), 2153.80, 0.2908, 0.0),
    ],
)
def test_buckingham_is_the_published_one_in_kcal(pair: tuple[str, str], a: float, rho: float, c: float) -> None:
    term = load_set("jalem-2015").buckingham_pairs()[canonical(pair)]
    assert (term.a, term.rho, term.c) == pytest.approx((a * EV, rho, c * EV), rel=1e-6)


def test_variants_choose_among_published_values() -> None:
    jalem = load_set("jalem-2015")
    chosen = jalem.buckingham_pairs({"zr_o": "B"})[canonical(("Zr", "O"))]
    assert (chosen.a, chosen.rho) == pytest.approx((1366.09 * EV, 0.3181), rel=1e-6)
    with pytest.raises(ValueError, match="no variant 'zr-o'; did you mean 'zr_o'"):
        jalem.buckingham_pairs({"zr-o": "A"})
    with pytest.raises(ValueError, match="no option 'C' of zr_o; known: A, B"):
        jalem.buckingham_pairs({"zr_o": "C"})


def test_charges_are_neutral() -> None:
    llzo = {"Li": 56, "La": 24, "Zr": 16, "O": 96}
    jalem = load_set("jalem-2015")
    assert sum(n * jalem.atom_type(name).charge for name, n in llzo.items()) == pytest.approx(0, abs=1e-10)
    tfsi = {"CBT": 2, "FBT": 6, "SBT": 2, "NBT": 1, "OBT": 4}
    salt = load_set("cl-p-2004")
    assert sum(n * salt.atom_type(name).charge for name, n in tfsi.items()) == pytest.approx(-1, abs=1e-10)


@given(
    st.tuples(*[st.floats(-10, 10)] * 4),
    st.floats(-np.pi, np.pi),
)
def test_opls_torsion_equals_its_power_series(opls: tuple[float, float, float, float], phi: float) -> None:
    term = DihedralTerm(atoms=("A", "B", "C", "D"), opls=opls)
    v1, v2, v3, v4 = opls
    expected = v1 / 2 * (1 + np.cos(phi)) + v2 / 2 * (1 - np.cos(2 * phi))
    expected += v3 / 2 * (1 + np.cos(3 * phi)) + v4 / 2 * (1 - np.cos(4 * phi))
    series = sum(a * np.cos(phi) ** n for n, a in enumerate(term.coefficients))
    assert series == pytest.approx(expected, abs=1e-10)


def test_torsions_of_the_anion_have_the_tabulated_coefficients() -> None:
    terms = {term.atoms: term.coefficients for term in load_set("cl-p-2004").dihedrals}
    assert terms["SBT", "NBT", "SBT", "CBT"] == pytest.approx(
        (1.044216, 5.061902, 2.490440, -1.527247, 0), abs=2e-6
    )
    assert terms["FBT", "CBT", "SBT", "OBT"] == pytest.approx((0.173399, -0.520196, 0, 0.693595, 0), abs=2e-6)


def test_lookups_name_the_nearest_type() -> None:
    with pytest.raises(ValueError, match="opls-aa-peo has no atom type 'CT1'; did you mean 'CT"):
        load_set("opls-aa-peo").atom_type("CT1")
    with pytest.raises(ValueError, match="no Lennard-Jones parameters for 'Ge'; known: La, Li, O, Zr"):
        load_set("uff-llzo").lennard_jones("Ge")


MINIMAL = {"name": "x", "title": "x", "citations": ["x"], "confidence": "x"}
CARBON = {"name": "C", "element": "C", "mass": 12.0, "charge": 0.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"atom_types": [CARBON, CARBON]}, "atom_types: C is given twice"),
        ({"typing": [{"smarts": "[C]", "type": "CT"}]}, "gives unknown type 'CT'"),
        (
            {
                "bonds": [
                    {"atoms": ["A", "B"], "k": 1.0, "r0": 1.0},
                    {"atoms": ["B", "A"], "k": 2.0, "r0": 1.0},
                ]
            },
            "bonds: .* is given twice",
        ),
        ({"bond": []}, "unknown key 'bond'; did you mean 'bonds'"),
        ({"variants": {"v": {"default": "A", "options": {"B": []}}}}, "default: 'A' is no option"),
        ({"lj": [{"type": "C", "epsilon": -1.0, "sigma": 1.0}]}, "epsilon"),
        ({"citations": []}, "citations"),
    ],
)
def test_inconsistent_sets_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ForceFieldSet.model_validate(MINIMAL | change)
