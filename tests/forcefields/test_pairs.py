"""The pair table: every pair once, Buckingham or Lennard-Jones and never both, mixed as asked."""

import math

import pytest

from aiida_cse.forcefields import PairSite, load_set, pair_table
from aiida_cse.forcefields.include import BondedRow, render_include
from aiida_cse.forcefields.models import OneFour
from aiida_cse.forcefields.pairs import BUCKINGHAM, LENNARD_JONES, Mixing, PairRow

SITES = [
    PairSite("La", "ceramic", 2.1, 0.017, 3.1377, "uff-llzo"),
    PairSite("Zr", "ceramic", 2.8, 0.069, 2.7832, "uff-llzo"),
    PairSite("O", "ceramic", -1.4, 0.060, 3.1181, "uff-llzo"),
    PairSite("Li", "mobile", 0.7, 0.01828, 2.126, "cl-p-2004"),
    PairSite("OS", "organic", -0.4, 0.14, 2.90, "opls-aa-peo"),
    PairSite("FBT", "organic", -0.112, 0.053, 2.95, "cl-p-2004"),
    PairSite("W", "wall", 0.0, 0.05, 2.193, "wall"),
]


def rows(mixing: Mixing = "lorentz-berthelot") -> dict[tuple[str, str], PairRow]:
    table = pair_table(SITES, load_set("jalem-2015").with_variants({}).buckingham_pairs(), "jalem-2015", mixing)
    return {row.labels: row for row in table}


def test_every_pair_has_exactly_one_line() -> None:
    table = pair_table(
        SITES, load_set("jalem-2015").with_variants({}).buckingham_pairs(), "jalem-2015", "lorentz-berthelot"
    )
    n = len(SITES)
    assert [(row.i, row.j) for row in table] == [(i, j) for i in range(1, n + 1) for j in range(i, n + 1)]


def test_no_lennard_jones_on_top_of_buckingham() -> None:
    inside = {"La", "Zr", "O", "Li"}
    for (first, second), row in rows().items():
        expected = BUCKINGHAM if {first, second} <= inside and "O" in {first, second} else LENNARD_JONES
        assert row.style == expected, row


def test_cations_of_the_ceramic_see_each_other_by_charge_only() -> None:
    table = rows()
    for pair in [("La", "La"), ("La", "Zr"), ("La", "Li"), ("Zr", "Zr"), ("Zr", "Li"), ("Li", "Li")]:
        assert (table[pair].style, table[pair].coefficients) == (LENNARD_JONES, (0.0, 1.0))


def test_lorentz_berthelot_mixing() -> None:
    row = rows()["Li", "OS"]
    assert row.coefficients == pytest.approx((math.sqrt(0.01828 * 0.14), (2.126 + 2.90) / 2))
    assert rows()["O", "OS"].coefficients == pytest.approx((math.sqrt(0.06 * 0.14), (3.1181 + 2.90) / 2))


def test_geometric_mixing_stays_inside_the_electrolyte() -> None:
    table = rows("geometric-inside-polymer")
    assert table["OS", "FBT"].coefficients[1] == pytest.approx(math.sqrt(2.90 * 2.95))
    assert table["Li", "OS"].coefficients[1] == pytest.approx(math.sqrt(2.126 * 2.90))
    assert table["La", "OS"].coefficients[1] == pytest.approx((3.1377 + 2.90) / 2)
    assert table["OS", "W"].coefficients[1] == pytest.approx((2.90 + 2.193) / 2)


def test_all_missing_pairs_are_reported_at_once() -> None:
    with pytest.raises(ValueError, match="jalem-2015 has no Buckingham parameters for La–O, O–Li"):
        pair_table(
            [SITES[0], SITES[2], SITES[3]],
            {("O", "O"): load_set("jalem-2015").buckingham[2]},
            "jalem-2015",
            "lorentz-berthelot",
        )


def test_the_include_file_sets_every_coefficient_in_order() -> None:
    bonded = [
        BondedRow("bond", 1, ("CT", "CT"), (268.0, 1.529), "opls-aa-peo"),
        BondedRow("dihedral", 1, ("A", "B", "C", "D"), (0.41, -0.68, 0.25, 1.34, 0.0), "opls-aa-peo"),
    ]
    table = pair_table(
        SITES, load_set("jalem-2015").with_variants({}).buckingham_pairs(), "jalem-2015", "lorentz-berthelot"
    )
    text = render_include(
        "demo", {"jalem-2015": "0123"}, [site.label for site in SITES], table, bonded, OneFour(lj=0.5, coul=0.5)
    )
    lines = [line.split("#")[0].split() for line in text.splitlines() if line and not line.startswith("#")]
    assert [line[0] for line in lines[:5]] == [
        "labelmap",
        "pair_style",
        "bond_style",
        "dihedral_style",
        "special_bonds",
    ]
    assert sum(line[0] == "pair_coeff" for line in lines) == len(SITES) * (len(SITES) + 1) // 2
    assert "pair_coeff 3 4 buck/coul/long 20220.87 0.2433 0  # O Li" in text
    assert "dihedral_coeff 1 0.41 -0.68 0.25 1.34 0  # A B C D" in text
    assert lines[-1] == ["neigh_modify", "exclude", "type", "7", "7"]
