"""The shipped sets load, are consistent, and give LAMMPS the coefficients of the published forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_cse.forcefields import available_sets, load_set, make_set, settle_variants
from aiida_cse.forcefields.models import DihedralTerm, ForceFieldSet, canonical

EV = 23.060548


@pytest.mark.parametrize("name", available_sets())
def test_every_shipped_set_is_valid_and_cited(name: str) -> None:
    loaded = load_set(name)
    assert loaded.name == name
    assert loaded.citations


def test_unknown_set_names_the_available_ones() -> None:
    with pytest.raises(ValueError, match=r"'jalem-2016'; did you mean 'jalem-2015'.*cl-p-2004, cl-p-2017"):
        load_set("jalem-2016")


@pytest.mark.parametrize(
    ("pair", "a", "rho", "c"),
    [
        (("Li", "O"), 876.86, 0.2433, 0.0),
        (("La", "O"), 14509.63, 0.2438, 30.83),
        (("O", "O"), 4869.99, 0.2402, 27.22),
        (("Zr", "O"), 2153.80, 0.2908, 0.0),
        (("Ga", "O"), 13298.83, 0.2015, 0.0),
    ],
)
def test_buckingham_is_the_published_one_in_kcal(pair: tuple[str, str], a: float, rho: float, c: float) -> None:
    term = load_set("jalem-2015").with_variants({}).buckingham_pairs()[canonical(pair)]
    assert (term.a, term.rho, term.c) == pytest.approx((a * EV, rho, c * EV), rel=1e-6)


def test_variants_choose_among_published_values() -> None:
    jalem = load_set("jalem-2015")
    chosen = jalem.with_variants({"zr_o": "B"}).buckingham_pairs()[canonical(("Zr", "O"))]
    assert (chosen.a, chosen.rho) == pytest.approx((1366.09 * EV, 0.3181), rel=1e-6)
    with pytest.raises(ValueError, match="no variant 'zr-o'; did you mean 'zr_o'"):
        jalem.with_variants({"zr-o": "A"})
    with pytest.raises(ValueError, match="no option 'C' of zr_o; known: A, B"):
        jalem.with_variants({"zr_o": "C"})


def test_a_settled_set_names_the_origin_of_each_term() -> None:
    settled = load_set("jalem-2015").with_variants({})
    assert {entry.origin for entry in settled.buckingham} == {"jalem-2015", "jalem-2015 zr_o=A"}
    assert settled.variants == {}
    salt = load_set("cl-p-2004").with_variants({"li_lj": "uff"})
    uff = load_set("uff-llzo").lennard_jones("Li")
    lithium = salt.lennard_jones("Li")
    assert (lithium.epsilon, lithium.sigma, lithium.origin) == (uff.epsilon, uff.sigma, "cl-p-2004 li_lj=uff")


def test_variants_are_settled_in_all_sets() -> None:
    sets = [load_set("jalem-2015"), load_set("cl-p-2004")]
    ceramic, salt = settle_variants(sets, {"li_lj": "emc-opls"})
    assert salt.lennard_jones("Li").sigma == 2.70
    assert ceramic.buckingham_pairs()[canonical(("Zr", "O"))].rho == 0.2908
    with pytest.raises(ValueError, match=r"no variant 'li' in the force-field sets jalem-2015, cl-p-2004; "):
        settle_variants(sets, {"li": "uff"})


def test_the_revision_of_2017_changes_fluorine_and_oxygen_only() -> None:
    old, new = load_set("cl-p-2004"), load_set("cl-p-2017")
    differ = {entry.type for entry in old.lj if new.lennard_jones(entry.type) != entry}
    assert differ == {"FBT", "OBT", "OTF"}
    kj = 4.184
    for name, sigma, epsilon in (("FBT", 3.118, 0.25540), ("OBT", 3.15, 0.83736), ("FSI", 3.118, 0.25540)):
        found = new.lennard_jones(name)
        assert (found.sigma, found.epsilon) == pytest.approx((sigma, epsilon / kj), abs=5e-6)
    assert set(old.bonds) < set(new.bonds)
    assert new.variants == old.variants
    assert set(old.citations) < set(new.citations)


def test_terms_of_fsi_are_the_published_ones_in_kcal() -> None:
    """Convert from kJ/mol and k/2 (x − x0)²."""
    known = load_set("cl-p-2017")
    bond = next(term for term in known.bonds if "FSI" in term.atoms)
    assert (bond.k, bond.r0) == pytest.approx((1879 / 2 / 4.184, 1.575), rel=1e-5)
    angles = {term.atoms: (term.k, term.theta0) for term in known.angles if "FSI" in term.atoms}
    assert angles["FSI", "SBT", "OBT"] == pytest.approx((1077 / 2 / 4.184, 104.1), rel=1e-5)
    assert angles["FSI", "SBT", "NBT"] == pytest.approx((902 / 2 / 4.184, 103.0), rel=1e-5)
    dihedral = next(term for term in known.dihedrals if "FSI" in term.atoms)
    assert dihedral.opls == pytest.approx([v / 4.184 for v in (11.4450, -15.1860, -3.2120, 0)], abs=1e-6)


def test_the_checksum_follows_the_content() -> None:
    checksums = {load_set(name).md5 for name in available_sets()}
    assert len(checksums) == len(available_sets())
    shipped = load_set("uff-llzo")
    assert shipped.md5 == ForceFieldSet.model_validate(shipped.model_dump()).md5
    assert shipped.md5 != shipped.model_copy(update={"title": "x"}).md5


def test_charges_are_neutral() -> None:
    llzo = {"Li": 56, "La": 24, "Zr": 16, "O": 96}
    jalem = load_set("jalem-2015")
    assert sum(n * jalem.atom_type(name).charge for name, n in llzo.items()) == pytest.approx(0, abs=1e-10)
    anions = (
        {"CBT": 2, "FBT": 6, "SBT": 2, "NBT": 1, "OBT": 4},
        {"CBT": 1, "FBT": 3, "SBT": 1, "OTF": 3},
        {"FSI": 2, "SBT": 2, "NBT": 1, "OBT": 4},
    )
    salt = load_set("cl-p-2017")
    for anion in anions:
        assert sum(n * salt.atom_type(name).charge for name, n in anion.items()) == pytest.approx(-1, abs=1e-10)


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
    with pytest.raises(ValueError, match="no Lennard-Jones parameters for 'Te'; known: Ga, La, Li, O, Zr"):
        load_set("uff-llzo").lennard_jones("Te")


MINIMAL = {"name": "x", "title": "x", "citations": ["x"], "confidence": "x"}
CARBON = {"name": "C", "element": "C", "mass": 12.0, "charge": 0.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"atom_types": [CARBON, CARBON]}, "atom_types: C is given twice"),
        ({"typing": [{"smarts": "[C]", "type": "CT"}]}, r"typing.type = 'CT': '\[C\]' needs a type of the set"),
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
        ({"variants": {"v": {"default": "A", "options": {"B": {}}}}}, "default = 'A': is not an option"),
        ({"lj": [{"type": "C", "epsilon": -1.0, "sigma": 1.0}]}, "epsilon"),
        ({"citations": []}, "citations"),
    ],
)
def test_inconsistent_sets_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ForceFieldSet.model_validate(MINIMAL | change)


def test_a_revision_keeps_what_it_does_not_change() -> None:
    content = {
        "revises": "cl-p-2004",
        "title": "another fluorine",
        "citations": ["somebody"],
        "confidence": "none",
        "lj": [{"type": "FBT", "epsilon": 0.1, "sigma": 3.0}],
        "bonds": [{"atoms": ["FBT", "CBT"], "k": 400.0, "r0": 1.3}],
    }
    old, mine = load_set("cl-p-2004"), make_set("mine", content)
    assert [lj.type for lj in mine.lj] == [lj.type for lj in old.lj]
    assert mine.lennard_jones("FBT").sigma == 3.0
    assert mine.lennard_jones("CBT") == old.lennard_jones("CBT")
    assert [bond.k for bond in mine.bonds] == [400.0, *(bond.k for bond in old.bonds[1:])]
    assert mine.citations == ("somebody", *old.citations)
    assert mine.variants == old.variants
    assert make_set("mine", mine.model_dump(mode="json")) == mine


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"revises": "cl-p-2003"}, "no force-field set 'cl-p-2003'; did you mean 'cl-p-2004'"),
        ({"revises": 7}, "revises"),
        ({"lj": 3}, "lj"),
        ({"lj": [{"epsilon": 0.1}]}, r"lj\.0\.type"),
        ({"variants": "A"}, "variants"),
        ({"citations": "somebody"}, "citations"),
        ({"atom_types": [CARBON | {"name": "C-1"}]}, r"atom_types\.7\.name"),
        ({"lj": [{"type": "FBT", "epsilon": 0.1, "sigma": 3.0, "origin": "x\nshell ls"}]}, "origin"),
        ({"lg": []}, "unknown key 'lg'; did you mean 'lj'"),
    ],
)
def test_an_invalid_revision_is_refused(change: dict[str, object], message: str) -> None:
    content = {"revises": "cl-p-2004", "title": "x", "citations": ["x"], "confidence": "x"} | change
    with pytest.raises(ValueError, match=message):
        make_set("mine", content)
