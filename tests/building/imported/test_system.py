"""Imported systems: equal to the system built here, and all missing information reported at once."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.imported.description import SystemFacts
from aiida_cse.building.imported.system import import_system
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.recipe import Recipe
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import System
from aiida_cse.yaml_io import read_mapping


@pytest.fixture(scope="module")
def interface(slab: System, electrolyte: System) -> System:
    return assemble(cut_slab(slab, slab.data), electrolyte)


def labelled(system: System, data: DataFile | None = None) -> str:
    """Return the data file with the section of type labels that LAMMPS writes."""
    entries = enumerate(system.info.types, 1)
    labels = "".join(f"{number} {entry.label}\n" for number, entry in entries)
    return (data or system.data).format().replace("\nMasses\n", f"\nAtom Type Labels\n\n{labels}\nMasses\n")


def facts(system: System, **changes: Any) -> SystemFacts:
    """Return the description that a user would write of a system."""
    assert system.info.slab is not None
    types = {t.label: {"element": t.element, "phase": t.phase, "species": t.species} for t in system.info.types}
    slab = {"thickness": system.info.slab.thickness, "framework": list(system.info.slab.framework)}
    return SystemFacts.model_validate({"types": types, "slab": slab} | changes)


def problems(text: str, box: SystemFacts, forcefield: str = "", recipe: Recipe | None = None) -> list[str]:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        import_system(text, box, forcefield, recipe)
    return str(caught.value).splitlines()


# -- what comes in -----------------------------------------------------------------------------------------


def test_a_recipe_replaces_the_description(interface: System, recipe: Recipe) -> None:
    found = import_system(labelled(interface), SystemFacts(), recipe=recipe)
    assert found.forcefield == interface.forcefield
    assert found.info.slab is not None
    assert interface.info.slab is not None
    exact = {"framework", "lithium"}
    assert found.info.slab.model_dump(include=exact) == interface.info.slab.model_dump(include=exact)
    assert found.info.slab.model_dump(exclude=exact) == pytest.approx(
        interface.info.slab.model_dump(exclude=exact)
    )
    assert replace_slab(found) == replace_slab(interface)
    assert np.array_equal(found.data.molecules, interface.data.molecules)
    assert np.array_equal(found.data.unwrapped, interface.data.unwrapped)


def test_lithium_by_origin_can_be_imported(recipe: Recipe) -> None:
    content = recipe.model_dump(mode="json")
    content["forcefield"]["lithium"] = "by-origin"
    two = Recipe.model_validate(content)
    slab = build_slab(two)
    lx, ly = (float(edge) for edge in slab.data.lengths[:2])
    built = assemble(cut_slab(slab, slab.data), build_electrolyte(two, lx, ly))
    found = import_system(labelled(built), SystemFacts(), recipe=two)
    assert found.info.slab is not None
    assert found.info.slab.lithium == 112
    assert (found.info.composition["Li"], found.info.composition["Li_salt"]) == (112, 7)


def test_another_force_field_is_not_attributed_to_the_recipe(interface: System, recipe: Recipe) -> None:
    found = import_system(
        labelled(interface), SystemFacts(), interface.forcefield.replace("0.066 3.5", "0.07 3.5"), recipe
    )
    assert "0.07 3.5" in found.forcefield
    assert (found.info.forcefield, found.info.forcefield_md5, found.info.citations) == ((), {}, ())


def replace_slab(system: System) -> dict[str, Any]:
    """Return the attributes of a system without its slab and without the seeds of the builders."""
    return system.info.model_dump(exclude={"slab", "seeds"})


def test_a_slab_that_has_grown_is_measured_by_its_framework(interface: System, recipe: Recipe) -> None:
    data = replace(interface.data, box=interface.data.box * [[1], [1], [1.02]])
    data.set_unwrapped(interface.data.unwrapped * [1, 1, 1.02])
    slab = import_system(labelled(interface, data), SystemFacts(), recipe=recipe).info.slab
    assert slab is not None
    assert interface.info.slab is not None
    assert slab.thickness == pytest.approx(1.02 * interface.info.slab.thickness)
    assert slab.midplane_offset == pytest.approx(1.02 * interface.info.slab.midplane_offset)


def test_without_a_recipe_the_description_defines_the_system(interface: System) -> None:
    box = facts(interface, seeds={"velocities": 7}, citations=["mine"], forcefield=["own"])
    found = import_system(labelled(interface), box, interface.forcefield)
    assert found.info.types == interface.info.types
    assert (found.info.seeds, found.info.citations, found.info.forcefield) == (
        {"velocities": 7},
        ("mine",),
        ("own",),
    )
    assert found.info.slab is not None
    assert found.info.slab.lithium == 112, "as many as make the ceramic neutral"
    z = interface.data.positions[np.isin(interface.data.types, [1, 2]), 2]
    weights = interface.data.masses[interface.data.types[np.isin(interface.data.types, [1, 2])] - 1]
    middle = (z.min() + z.max()) / 2 - np.average(z, weights=weights)
    assert found.info.slab.midplane_offset == pytest.approx(middle)


def test_types_may_be_given_by_number_with_new_labels(interface: System) -> None:
    types = {
        n: {"label": f"x{n}", "element": t.element, "phase": t.phase, "species": t.species}
        for n, t in enumerate(interface.info.types, 1)
    }
    include = re.sub("^labelmap.*\n", "", interface.forcefield, flags=re.M)
    box = facts(interface, types=types, slab={"thickness": 25.94, "framework": [1, "x2"]})
    found = import_system(interface.data.format(), box, include)
    assert [entry.label for entry in found.info.types] == [f"x{n}" for n in range(1, 16)]
    assert found.info.slab is not None
    assert found.info.slab.framework == ("x1", "x2")
    assert found.forcefield.startswith("labelmap atom 1 x1 2 x2 3 x3 ")


def test_molecules_of_another_convention_are_renumbered(interface: System, recipe: Recipe) -> None:
    ours = interface.data.molecules
    data = replace(interface.data, molecules=np.where(ours == 1, 900, 2 * ours))
    found = import_system(labelled(interface, data), SystemFacts(), recipe=recipe).data.molecules
    lithium = interface.data.types == 4
    assert (found[ours == 1] == 1).all()
    anions = ~lithium & (ours > 1)
    assert set(found[anions]) == set(range(2, 2 + len(set(ours[anions]))))
    assert all(len(set(found[ours == molecule])) == 1 for molecule in set(ours[anions]))
    assert len(set(found[lithium & (ours > 1)])) == 7, "each of the salt's on its own"
    assert not set(found[lithium & (ours > 1)]) & set(found[anions])


def test_coefficients_and_styles_of_the_data_file_are_used(interface: System) -> None:
    bonded = [line for line in interface.forcefield.splitlines() if line.startswith("bond_coeff")]
    rows = "".join(" ".join(line.split("#")[0].split()[1:]) + "\n" for line in bonded)
    text = labelled(interface).replace("\nAtoms # full\n", f"\nBond Coeffs # harmonic\n\n{rows}\nAtoms # full\n")
    include = re.sub("^bond_.*\n", "", interface.forcefield, flags=re.M)
    assert any(
        "bond_style is missing" in said for said in problems(labelled(interface), facts(interface), include)
    )
    found = import_system(text, facts(interface), include).forcefield
    assert "bond_style harmonic" in found
    assert [line for line in found.splitlines() if line.startswith("bond_coeff")] == [
        " ".join(line.split("#")[0].split()) for line in bonded
    ]


# -- what the box has torn, atoms in the same place --------------------------------------------------------


def wrapped(system: System) -> DataFile:
    """Return the data of a system as a program writes it that knows no image flags."""
    return replace(system.data, images=np.zeros_like(system.data.images))


def test_molecules_without_image_flags_are_made_whole(interface: System, recipe: Recipe) -> None:
    notes: list[str] = []
    found = import_system(labelled(interface, wrapped(interface)), SystemFacts(), recipe=recipe, notes=notes)
    bonds = interface.data.topology["bonds"][:, 1:] - 1
    spans = [data.unwrapped[bonds[:, 0]] - data.unwrapped[bonds[:, 1]] for data in (found.data, interface.data)]
    assert spans[0] == pytest.approx(spans[1])
    assert notes == [
        "molecules 2, 3, 4, 5, 6 and 10 others were torn by the box along x, y and z: made whole by their bonds"
    ]


def test_a_slab_across_the_end_of_the_box_is_joined(interface: System, recipe: Recipe) -> None:
    data = wrapped(interface)
    data.set_unwrapped(interface.data.unwrapped + np.array([0, 0, interface.data.lengths[2] / 2]))
    notes: list[str] = []
    text = labelled(interface, wrapped(replace(interface, data=data)))
    found = import_system(text, SystemFacts(), recipe=recipe, notes=notes)
    assert found.info.slab is not None
    assert interface.info.slab is not None
    assert found.info.slab.thickness == pytest.approx(interface.info.slab.thickness)
    assert found.info.slab.midplane_offset == pytest.approx(interface.info.slab.midplane_offset)
    assert notes[0].startswith("the slab was torn by the end of the box along z: joined opposite the largest gap")
    framework = np.isin(found.data.types, [1, 2])
    assert np.ptp(found.data.unwrapped[framework, 2]) == pytest.approx(np.ptp(data.unwrapped[framework, 2]))


def test_atoms_in_the_same_place_are_named(interface: System, recipe: Recipe) -> None:
    data = replace(interface.data, positions=interface.data.positions.copy())
    data.positions[4] = data.positions[0] + [0.3, 0, 0]
    said = problems(labelled(interface, data), SystemFacts(), recipe=recipe)
    assert "atoms 1 (La) and 5 (La) are 0.30 Å apart; no two atoms can be closer than 0.5 Å" in said


def test_molecules_in_the_same_place_are_named(interface: System, recipe: Recipe) -> None:
    first, second = (np.flatnonzero(interface.data.molecules == molecule) for molecule in (2, 3))
    places = interface.data.unwrapped
    places[second] = places[first] + [0.1, 0, 0]
    data = wrapped(interface)
    data.set_unwrapped(places)
    (said,) = problems(labelled(interface, data), SystemFacts(), recipe=recipe)
    assert said.startswith("molecules 2 and 3 overlap: 57 pairs of their atoms are closer than 1 Å; atoms ")


# -- what does not -----------------------------------------------------------------------------------------


def test_all_missing_information_is_reported_at_once(interface: System) -> None:
    said = problems(labelled(interface), SystemFacts.model_validate({"types": {"Zr": {
        "element": "Zr", "phase": "ceramic", "species": "Zr"}}}))  # fmt: skip
    assert "type 1 (La, mass 138.905, 48 atoms): element, phase and species are missing; give types.La" in said
    assert len([line for line in said if "element, phase and species" in line]) == 14
    assert "slab.framework: is missing; give the types that do not diffuse, such as La and Zr" in said
    assert "pair_style is missing" in said
    assert any(line.startswith("dihedral_coeff is missing for 9 of them") for line in said)
    assert "special_bonds is missing: the interactions between bonded atoms" in said


Change = Callable[[DataFile], DataFile]


def charged(data: DataFile, number: int, charge: float, first: int | None = None) -> DataFile:
    """Return the data with another charge of the (first) atoms of a type."""
    own = np.flatnonzero(data.types == number)[:first]
    charges = data.charges.copy()
    charges[own] = charge
    return replace(data, charges=charges)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: charged(d, 1, 2.0),
            "type 1 (La, mass 138.905, 48 atoms): charge 2 e, that of the recipe is 2.1 e",
        ),
        (lambda d: charged(d, 1, 2.0), "the box has the charge -4.8 e; it must be neutral"),
        (lambda d: charged(d, 1, 2.0, first=1), "its atoms have charges from 2 to 2.1 e; a type has one charge"),
        (
            lambda d: replace(d, molecules=np.where(d.molecules == 3, 0, d.molecules)),
            "57 atoms of the electrolyte have no molecule ID; number the molecules, for example with",
        ),
        (
            lambda d: replace(d, molecules=np.where(d.types == 11, 999, d.molecules)),
            "42 bonds join atoms of different molecules, such as",
        ),
        (
            lambda d: replace(d, molecules=np.where(d.molecules == 3, 1, d.molecules)),
            "molecule 1 has atoms of the ceramic and of the electrolyte",
        ),
        (
            lambda d: replace(d, molecules=np.where(d.types == 4, 1, d.molecules)),
            "molecule IDs: 119 mobile ions belong to molecule 1, the ceramic, but slab.lithium is 112; give ions",
        ),
        (
            lambda d: replace(
                d, positions=d.positions + [0, 0, 1] * (d.types == 1)[:, None] * (d.positions > 9) * 40
            ),
            "give the distance of the surface planes, and image flags if the slab crosses the end of the box",
        ),
    ],
)
def test_problems_of_a_data_file_are_reported(
    interface: System, recipe: Recipe, change: Change, message: str
) -> None:
    said = problems(labelled(interface, change(interface.data)), SystemFacts(), recipe=recipe)
    assert any(message in line for line in said), said


def without_mobile(box: SystemFacts) -> SystemFacts:
    return box.model_copy(
        update={"types": box.types | {"Li": box.types["Li"].model_copy(update={"phase": "electrolyte"})}}
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slab": None}, "slab.framework: is missing"),
        (
            {"slab": {"framework": ["La"]}},
            "slab.thickness: is missing; give the distance of the surface planes (the outer",
        ),
        ({"slab": {"thickness": 26, "framework": ["La", "Zt"]}}, "no atom type 'Zt'; did you mean 'Zr'?"),
        ({"slab": {"thickness": 26, "framework": [99]}}, "slab.framework: there is no atom type 99"),
        ({"slab": {"thickness": 26, "framework": ["W"]}}, "slab.framework: no atom is of the types W"),
        ({"slab": {"thickness": 5, "framework": ["La"]}}, "slab.thickness = 5: the framework extends over"),
        ({"slab": {"thickness": 130, "framework": ["La", "Zr"]}}, "a box longer than"),
    ],
)
def test_wrong_facts_about_the_slab_are_reported(interface: System, changes: dict[str, Any], message: str) -> None:
    said = problems(labelled(interface), facts(interface, **changes), interface.forcefield)
    assert any(message in line for line in said), said


def test_one_ion_must_move_in_both_phases(interface: System) -> None:
    said = problems(labelled(interface), without_mobile(facts(interface)), interface.forcefield)
    assert said[0] == "types: none of the phase both; exactly one charged ion must move in both phases"


def test_coefficients_that_contradict_the_data_file_are_refused(interface: System, recipe: Recipe) -> None:
    text = labelled(interface).replace(
        "\nAtoms # full\n", "\nBond Coeffs\n\n1 268.0 1.6\n2 340 1.09\n\nAtoms # full\n"
    )
    (said,) = problems(text, SystemFacts(), recipe=recipe)
    assert said == "bond_coeff 1: 268.0 1.6 in the data file, 268 1.529 in the force field"


CASES = Path(__file__).parent / "cases"


def small(rows: str = "", include: str = "") -> list[str]:
    """Return what is wrong with the small box with further sections of coefficients and further commands."""
    text = (CASES / "small.data").read_text().replace("Atoms # full\n", f"{rows}\n\nAtoms # full\n")
    box = SystemFacts.model_validate(read_mapping(CASES / "small.yaml", "facts"))
    notes: list[str] = []
    try:
        import_system(text, box, (CASES / "small.in").read_text() + include, notes=notes)
    except ValueError as error:
        return str(error).splitlines()
    assert notes == []
    return []


@pytest.mark.parametrize(
    "change",
    [
        lambda text: re.sub(r"(?m)^(?=\S)", " ", text),
        lambda text: text.replace("# full", "# id mol type q x y z ix iy iz"),
        lambda text: text.replace("\n", "\r\n"),
    ],
    ids=["indented", "column names", "line ends of Windows"],
)
def test_a_sound_box_is_the_same_in_every_spelling(change: Callable[[str], str]) -> None:
    text, include = ((CASES / name).read_text() for name in ("small.data", "small.in"))
    box = SystemFacts.model_validate(read_mapping(CASES / "small.yaml", "facts"))
    found, sound = (import_system(one, box, include) for one in (change(text), text))
    assert change(text) != text
    assert found.info == sound.info
    assert found.data.format() == sound.data.format()
    assert (found.info.composition, found.info.charge) == ({"Fr": 18, "Li": 8, "An": 16}, 0.0)


@given(st.data())
def test_random_damage_is_refused_with_a_message_or_noted(data: st.DataObject) -> None:
    texts = [(CASES / name).read_text() for name in ("small.data", "small.in")]
    box = SystemFacts.model_validate(read_mapping(CASES / "small.yaml", "facts"))
    chosen = data.draw(st.sampled_from([0, 0, 0, 1]))
    words = re.split(r"(\s+)", texts[chosen])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(words) - 1))
        words[place] = data.draw(
            st.sampled_from(["", "\n", "x", "#", "-1", "+1", "1e20", "nan", "1.5", "*", "41"])
        )
    texts[chosen] = "".join(words)
    notes: list[str] = []
    try:
        found = import_system(texts[0], box, texts[1], notes=notes)
    except ValueError:
        return
    bonds = found.data.topology["bonds"][:, 1:] - 1
    spans = np.abs(found.data.unwrapped[bonds[:, 0]] - found.data.unwrapped[bonds[:, 1]])
    assert (spans < 10).all()
    assert np.ptp(found.data.unwrapped[found.data.types == 1, 2]) <= 26
    assert np.array_equal(found.data.images, DataFile.parse(texts[0]).images) == (not notes)


PAIRS = "Pair Coeffs # lj/cut\n\n1 {} 2\n2 0.02 2\n3 0.02 2.0"


@pytest.mark.parametrize(
    ("rows", "include", "said"),
    [
        ("", "", []),
        (PAIRS.format("0.0200001"), "", []),
        (PAIRS.format("0.5"), "", ["pair_coeff 1 1: 0.5 2 in the data file, 0.02 2.0 in the force field"]),
        (PAIRS.format("0.5"), "pair_coeff * * 0.5 2\npair_coeff 2* 3 0.02 2\npair_coeff 2 2 0.02 2\n", []),
        (
            PAIRS.format("0.02"),
            "pair_coeff 1*2 1*2 0.03 2\n",
            [
                "pair_coeff 1 1: 0.02 2 in the data file, 0.03 2 in the force field",
                "pair_coeff 2 2: 0.02 2 in the data file, 0.03 2 in the force field",
            ],
        ),
        ("PairIJ Coeffs # lj/cut\n\n1 2 0.02 2 10", "", []),
        (
            "PairIJ Coeffs # lj/cut\n\n1 3 0.04 2 10",
            "",
            ["pair_coeff 1 3: 0.04 2 10 in the data file, 0.02 2 by the mixing rule in the force field"],
        ),
        (
            "PairIJ Coeffs # lj/cut\n\n1 3 0.04 2 10",
            "pair_coeff 3 1 0.05 2\n",
            ["pair_coeff 1 3: 0.04 2 10 in the data file, 0.05 2 in the force field"],
        ),
        ("Bond Coeffs # harmonic\n\n1 300 1.6", "bond_coeff * 300.0 1.60\n", []),
        (
            "Bond Coeffs # morse\n\n1 300 1.7",
            "bond_coeff * 300.0 1.60\n",
            [
                "bond_style: morse in the data file, harmonic in the force field",
                "bond_coeff 1: 300 1.7 in the data file, 300.0 1.60 in the force field",
            ],
        ),
    ],
)
def test_coefficients_in_effect_are_compared(rows: str, include: str, said: list[str]) -> None:
    assert small(rows, include) == said


HYBRID = """\
pair_style hybrid/overlay lj/cut 9 buck 9
pair_coeff * * lj/cut 0.02 2.0
pair_coeff 1 1 buck 100 0.3 0
"""


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1 1 lj/cut 0.02 2", []),
        ("1 1 buck 100 0.3 0 9", []),
        ("2 2 0.02 2", []),
        (
            "1 1 buck 100 0.4 0",
            [
                "pair_coeff 1 1: buck 100 0.4 0 in the data file, lj/cut 0.02 2.0 and buck 100 0.3 0 in the force"
                " field"
            ],
        ),
    ],
)
def test_coefficients_of_hybrid_styles_are_compared_by_sub_style(row: str, said: list[str]) -> None:
    assert small(f"PairIJ Coeffs\n\n{row}\n", HYBRID) == said


def test_labels_that_contradict_the_data_file_are_refused(interface: System) -> None:
    include = interface.forcefield.replace(" 3 O ", " 3 Ox ")
    said = problems(labelled(interface), facts(interface), include)
    assert "type 3 is O in the data file, but Ox in the labelmap of the force field" in said


def test_a_command_in_the_force_field_is_refused(interface: System) -> None:
    (said,) = problems(labelled(interface), facts(interface), interface.forcefield + "shell ls\n")
    assert re.match(r"force field, line \d+: 'shell' is not a command of a force field", said)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"typs": {}}, "unknown key 'typs'; did you mean 'types'?"),
        ({"types": {"La": {"element": "Lanthanum", "phase": "ceramic", "species": "La"}}}, "types.La.element"),
        ({"types": {"La": {"element": "La", "phase": "solid", "species": "La"}}}, "types.La.phase"),
        ({"types": {0: {"element": "La", "phase": "ceramic", "species": "La"}}}, "types"),
        ({"slab": {"thickness": "26"}}, "slab.thickness"),
        ({"seeds": {"velocities": 0}}, "seeds.velocities"),
    ],
)
def test_a_wrong_description_is_refused_by_its_field(content: dict[str, Any], message: str) -> None:
    from aiida_cse.schema import located

    with pytest.raises(ValueError) as caught, located(Path("facts.yaml")):  # noqa: PT011
        SystemFacts.model_validate(content)
    assert message in str(caught.value)
