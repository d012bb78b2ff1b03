"""Wrong recipes: field, value, and the part of the answer that says what would be right."""

from __future__ import annotations

from typing import Any, NamedTuple

NAN, INF = float("nan"), float("inf")

#: what a shell or LAMMPS would take for more than a name
SYNTAX = (
    "a\nshell rm -rf .",
    "a\r\nquit",
    "$HOME",
    "${x}",
    "$(id)",
    "`id`",
    'a"b',
    "a'b",
    '"""',
    "a&b",
    "a &",
    "a#b",
    "a;b",
    "a|b",
    "a>b",
    "a*b",
    "a\\b",
    "../a",
    "-in",
    "",
    " ",
    "\t",
    "é",
    "名",
    "a\x00b",
    "a\u2028b",
    "a\u200bb",
    "\x1b[31ma",
)


class Wrong(NamedTuple):
    """A wrong value at ``path``; the answer must contain ``right``, the field, and the value as ``shown``.

    Without ``field`` it is the last part of the path, without ``shown`` the value as Python writes it.
    """

    path: str
    value: Any
    right: str
    field: str | None = None
    shown: str | None = None

    @property
    def words(self) -> tuple[str, str, str]:
        """Words that the answer must contain."""
        field = self.path.rsplit(".", 1)[-1] if self.field is None else self.field
        return field, repr(self.value)[:100] if self.shown is None else self.shown, self.right


_ATLEAST, _ATMOST = "greater than or equal to", "less than or equal to"
_NAME = "must be letters, digits, '.', '_' and '-', first a letter or digit"
_SPECIES = "must be letters, digits and '_', first a letter"
_ELEMENT = "must be the symbol of an element"
_NUMBER, _FINITE, _WHOLE, _TEXT = "valid number", "finite number", "valid integer", "valid string"
_LIST, _MAPPING = "must be a list", "must be a mapping of keys to values"
_ANION = "salt.anion.smiles"
_SITE = "ceramic.structure.sites.0"

RECIPES = (
    # -- names -------------------------------------------------------------------------------------------
    *(Wrong("name", text, _NAME) for text in SYNTAX),
    *(Wrong("polymer.name", text, _SPECIES) for text in (*SYNTAX[:4], "P-EO", "7PEO", "PÉO", "")),
    *(Wrong("salt.name", text, _NAME) for text in (*SYNTAX[5:10], "Li TFSI", "")),
    *(Wrong("salt.anion.name", text, _SPECIES) for text in ("TF SI", "TFSI\n", "$TFSI")),
    Wrong("name", "x" * 81, "at most 80 characters"),
    Wrong("name", 5, _TEXT),
    Wrong("name", None, _TEXT),
    Wrong("description", 5, _TEXT),
    Wrong("description", "x" * 2001, "at most 2000 characters", shown="'xxx"),
    Wrong("polymer.name", "wall", "species must differ"),
    Wrong("polymer.name", "la", "already names a species of the ceramic"),
    Wrong("salt.anion.name", "peo", "already names polymer.name"),
    # -- the crystal: types, units, impossible geometry -----------------------------------------------------
    Wrong("ceramic.structure.spacegroup", "Ia-3dd", "symbol of a group that the cell has"),
    Wrong("ceramic.structure.spacegroup", "P6/mmm", "does not define all edges", "structure", "c missing"),
    Wrong("ceramic.structure.spacegroup", "Ia-3d\nshell", "must be a Hermann-Mauguin symbol"),
    Wrong("ceramic.structure.spacegroup", "", "must be a Hermann-Mauguin symbol"),
    Wrong("ceramic.structure.spacegroup", 230, _TEXT),
    Wrong(
        "ceramic.structure.spacegroup", "Fm-3m", "the nearest must be between", "ceramic.structure", "0.43 Å apart"
    ),
    Wrong("ceramic.structure.spacegroup", "P1", "not define all edges", "ceramic.structure", "b and c missing"),
    Wrong("ceramic.structure.a", 1.297, f"{_ATLEAST} 2"),
    Wrong("ceramic.structure.a", 1297, f"{_ATMOST} 50"),
    Wrong("ceramic.structure.a", 1e300, f"{_ATMOST} 50"),
    Wrong("ceramic.structure.a", "12.97", _NUMBER),
    Wrong("ceramic.structure.a", "12.97 Å", _NUMBER),
    Wrong("ceramic.structure.a", True, _NUMBER),
    Wrong("ceramic.structure.a", None, _NUMBER),
    Wrong("ceramic.structure.a", INF, _FINITE),
    Wrong("ceramic.structure.a", 2.0, "the nearest must be between 0.9 and 4.5 Å", shown="a = 2 Å"),
    Wrong("ceramic.structure.a", 50.0, "the nearest must be between 0.9 and 4.5 Å", shown="a = 50 Å"),
    Wrong(f"{_SITE}.coords", [0, 0, 0], "at most 1 is possible", "sites.1.occupancy", "[0.0, 0.0, 0.0]"),
    Wrong(f"{_SITE}.coords", [12, 0, 0], f"{_ATMOST} 1", "coords.0", "12"),
    Wrong(f"{_SITE}.coords", ["1/8", 0, 0.25], _NUMBER, "coords.0", "'1/8'"),
    Wrong(f"{_SITE}.coords", [NAN, 0, 0.25], _FINITE, "coords.0", "nan"),
    Wrong(f"{_SITE}.coords", [0.1, 0.2], "is missing", "coords.0.2", ""),
    Wrong(f"{_SITE}.coords", [], "needs at least 1 entry"),
    Wrong(
        f"{_SITE}.coords", [[0.125, 0, 0.25], [0.125, 0, -0.75]], "at most 1 is possible", "sites.0.occupancy", ""
    ),
    Wrong("ceramic.structure.c", 1.2, f"{_ATLEAST} 2"),
    Wrong("ceramic.structure.gamma", 1.57, f"{_ATLEAST} 30"),
    Wrong("ceramic.structure.gamma", "90°", _NUMBER),
    Wrong("ceramic.structure.gamma", 120.0, "symbol of a group that the cell has", "spacegroup", "'Ia-3d'"),
    Wrong("ceramic.structure.c", 20.8, "symbol of a group that the cell has", "spacegroup", "'Ia-3d'"),
    Wrong("ceramic.structure", {"cif": "LLZO.cif"}, "the name of one beside it", shown="'LLZO.cif'"),
    Wrong("ceramic.structure", "LLZO.cif", _MAPPING),
    Wrong(f"{_SITE}.species", "La3+", _ELEMENT),
    Wrong(f"{_SITE}.species", "Lanthanum", _ELEMENT),
    Wrong(f"{_SITE}.species", "Ba", "must be an immobile species of the structure", "framework", "'La'"),
    Wrong(f"{_SITE}.occupancy", 0.5, "has no disorder"),
    Wrong("ceramic.structure.sites.3.occupancy", 0.9, "neutrality needs 112", shown="129.22 mobile ions"),
    Wrong("ceramic.structure.sites.3.occupancy", 54.2, f"{_ATMOST} 1"),
    Wrong("ceramic.structure.sites.3.occupancy", 0, "greater than 0"),
    Wrong("ceramic.structure.sites.3.occupancy", NAN, _FINITE),
    Wrong("ceramic.structure.sites", [], "needs at least 1 entry"),
    Wrong("ceramic.structure.sites", {}, _LIST),
    Wrong("ceramic.miller", [0, 0, 0], "is not a plane", shown="(0, 0, 0)"),
    Wrong("ceramic.miller", [9, 8, 7], "choose another plane, such as (1, 0, 0)", shown="(9, 8, 7)"),
    Wrong("ceramic.miller", [10, 0, 0], f"{_ATMOST} 9", "miller.0", "10"),
    Wrong("ceramic.miller", [1.0, 0, 0], _WHOLE, "miller.0", "1.0"),
    Wrong("ceramic.miller", "100", _LIST),
    Wrong("ceramic.repeat", 2, _LIST),
    Wrong("ceramic.repeat", [1, 1], "is missing", "repeat.2", ""),
    Wrong("ceramic.repeat", [1, 1, "2"], _WHOLE, "repeat.2", "'2'"),
    Wrong("ceramic.repeat", [1, 1, 0], f"{_ATLEAST} 1", "repeat.2", "0"),
    Wrong("ceramic.repeat", [1, 1, 10**9], f"{_ATMOST} 50", "repeat.2", "1000000000"),
    Wrong("ceramic.repeat", [50, 50, 50], "at most 5000000 are possible", shown="(50, 50, 50)"),
    Wrong("ceramic.shift", 0.0, "move it a little"),
    Wrong("ceramic.shift", 0.25, "move it a little"),
    Wrong("ceramic.shift", 90, "less than 1"),
    Wrong("ceramic.shift", NAN, _FINITE),
    Wrong("ceramic.min_distance", 3.9, "choose a smaller distance", shown="closer than 3.9 Å"),
    Wrong("ceramic.min_distance", 150, f"{_ATMOST} 4"),
    Wrong("ceramic.min_distance", "1.5 Å", _NUMBER),
    Wrong("ceramic.flip", "yes", "valid boolean"),
    Wrong("ceramic.mobile", "Na", "is on no site of the structure"),
    Wrong("ceramic.mobile", "Zr", "must be an immobile species", "framework"),
    Wrong("ceramic.mobile", "", _ELEMENT),
    Wrong("ceramic.framework", [], "needs at least 1 entry"),
    Wrong("ceramic.framework", "La", _LIST),
    Wrong("ceramic.framework", ["Li"], "must be an immobile species", shown="'Li'"),
    Wrong("ceramic.framework", ["La", "La"], "each species must be there once", shown="La, La"),
    # -- molecules ---------------------------------------------------------------------------------------
    Wrong("polymer.length", 0, f"{_ATLEAST} 1"),
    Wrong("polymer.length", 7.5, _WHOLE),
    Wrong("polymer.length", 10**6, f"{_ATMOST} 1000"),
    Wrong("polymer.chains", True, _WHOLE),
    Wrong("polymer.chains", 10**9, f"{_ATMOST} 10000"),
    Wrong("polymer.lenght", 7, "did you mean 'length'?", shown="'lenght'"),
    Wrong("polymer.repeat_unit", "*CCC*", "lacks parameters", "PEO", "type of C bonded to C, C, H, H"),
    Wrong("polymer.repeat_unit", "*C(F)O*", "lacks parameters", "PEO", "type of F bonded to C"),
    Wrong("polymer.repeat_unit", "*COC", "needs 2 with one single bond each"),
    Wrong("polymer.repeat_unit", "*CO(C", "is not a valid SMILES string"),
    Wrong("polymer.repeat_unit", "*COC*.*COC*", "is more than one molecule"),
    *(
        Wrong("polymer.repeat_unit", text, "must be a SMILES string")
        for text in ("*COC*\nshell", "$(id)", "", "C'C")
    ),
    Wrong("polymer.end_groups", "*C", _LIST),
    Wrong("polymer.end_groups", ["*C", "*CO"], "lacks parameters", "PEO", "type of O bonded to C, H"),
    Wrong("polymer.end_groups", ["*C", "*C*"], "needs 1 with one single bond each", shown="'*C*'"),
    Wrong("polymer.end_groups", ["*C", "*C[NH3+]"], "must be 0", shown="'*C[NH3+]'"),
    Wrong("salt.cation", "Na", "must be the ceramic's mobile species 'Li'"),
    Wrong("salt.cation", "li", _ELEMENT),
    Wrong("salt.pairs", 0, f"{_ATLEAST} 1"),
    Wrong("salt.pairs", 7.5, _WHOLE),
    Wrong("salt.pairs", "7", _WHOLE),
    Wrong("salt.pairs", 10**9, f"{_ATMOST} 100000"),
    Wrong("salt.anion", "TFSI", _MAPPING),
    Wrong(_ANION, "FC(F)(F)S(=O)(=O)NS(=O)(=O)C(F)(F)F", "has the charge 0; must be -1"),
    Wrong(_ANION, "[O-]S(=O)(=O)[O-]", "has the charge -2; must be -1"),
    Wrong(_ANION, "[Cl-]", "lacks parameters", "TFSI", "type of Cl bonded to nothing"),
    # -- force fields of another chemistry, and charges that are not neutral ------------------------------------
    Wrong("forcefield.ceramic", "JALEM-2015", "did you mean 'jalem-2015'?"),
    Wrong("forcefield.ceramic", "../sets/jalem-2015", _NAME),
    Wrong("forcefield.ceramic", "opls-aa-peo", "there is no variant 'zr_o'", "variants", "opls-aa-peo"),
    Wrong("forcefield.polymer", "cl-p-2004", "lacks parameters", "PEO", "cl-p-2004"),
    Wrong("forcefield.polymer", "uff-llzo", "lacks parameters", "PEO", "uff-llzo"),
    Wrong("forcefield.salt", "uff-llzo", "lacks parameters", "type of Li", shown="uff-llzo"),
    Wrong("forcefield.cross", "jalem-2015", "lacks parameters", "Lennard-Jones of La", shown="jalem-2015"),
    Wrong("forcefield.variants", {"zr_o": "C"}, "known: A, B", shown="'C'"),
    Wrong("forcefield.variants", {"zr_o": 1}, _TEXT, "variants.zr_o", "1"),
    Wrong("forcefield.variants", ["A"], _MAPPING),
    Wrong("forcefield.mixing", "geometric", "must be 'lorentz-berthelot' or"),
    Wrong("forcefield.salt_charge_scale", 1.0, "one ion needs one charge"),
    Wrong("forcefield.salt_charge_scale", 70, f"{_ATMOST} 1"),
    Wrong("forcefield.salt_charge_scale", NAN, _FINITE),
    Wrong("forcefield.hydrogen_mass", 2014, f"{_ATMOST} 4"),
    # -- layout and seeds ----------------------------------------------------------------------------------
    Wrong("electrolyte.density", 500, f"{_ATMOST} 1.5"),
    Wrong("electrolyte.density", 0, f"{_ATLEAST} 0.02"),
    Wrong("electrolyte.density", "0.5 g/cm3", _NUMBER),
    Wrong("electrolyte.density", NAN, _FINITE),
    Wrong("electrolyte.padding", -2, f"{_ATLEAST} 0.5"),
    Wrong("electrolyte.wall", True, _MAPPING),
    Wrong("electrolyte.wall.sigma", 219.3, f"{_ATMOST} 10"),
    Wrong("electrolyte.wall.spacing", 1e-9, f"{_ATLEAST} 0.5"),
    Wrong("seeds.slab", 2**31, f"{_ATMOST} 2000000000"),
    Wrong("seeds.slab", 0, f"{_ATLEAST} 1"),
    Wrong("seeds.velocities", True, _WHOLE),
    Wrong("seeds.electrolyte", NAN, _WHOLE),
    Wrong("seeds.replica", 1, "known: electrolyte, slab, velocities", shown="'replica'"),
    Wrong("seeds", None, _MAPPING),
    Wrong("charge", 0, "known: ceramic, description", shown="'charge'"),
    Wrong("salt", [], _MAPPING),
)


#: a set of one's own, and the recipe's path to it
OWN_SET: dict[str, Any] = {
    "revises": "opls-aa-peo",
    "title": "OPLS-AA for poly(propylene oxide)",
    "citations": ["Jorgensen et al. 1996"],
    "confidence": "certain",
    "atom_types": [{"name": "CT1", "element": "C", "mass": 12.011, "charge": 0.17, "bonded": "CT"}],
    "typing": [{"smarts": "[CX4H1;$(C(C)C)][OX2]", "type": "CT1"}],
    "lj": [{"type": "CT1", "epsilon": 0.066, "sigma": 3.50}],
    "angles": [{"atoms": ["CT", "CT", "CT"], "k": 58.35, "theta0": 112.7}],
    "dihedrals": [
        {"atoms": ["HC", "CT", "CT", "CT"], "opls": [0, 0, 0.300, 0]},
        {"atoms": ["CT", "CT", "CT", "OS"], "opls": [1.711, -0.500, 0.663, 0]},
    ],
}

#: text of a set that nothing but its checksum depends on
FREE_TEXT = ("title", "confidence", "citations.0", "lj.0.note")

OWN_SETS = (
    *(Wrong("atom_types.0.name", text, _SPECIES) for text in SYNTAX[:8]),
    *(Wrong("atom_types.0.bonded", text, _NAME) for text in SYNTAX[:8]),
    *(Wrong("atom_types.0.mass", value, _NUMBER) for value in ("12", True)),
    Wrong("atom_types.0.mass", 0, "greater than 0"),
    Wrong("atom_types.0.mass", NAN, _FINITE),
    Wrong("atom_types.0.mass", 12011, f"{_ATMOST} 400"),
    Wrong("atom_types.0.element", "Carbon", _ELEMENT),
    Wrong("atom_types.0.charge", 0.5, "must be 0", shown="has the charge 1.98 e"),
    Wrong("atom_types.0.charge", 170, f"{_ATMOST} 10"),
    Wrong("lj.0.sigma", 350, f"{_ATMOST} 20"),
    Wrong("lj.0.sigma", 0, "greater than 0"),
    Wrong("lj.0.epsilon", -1, f"{_ATLEAST} 0"),
    Wrong("lj.0.type", "CT1\n", _NAME),
    Wrong("angles.0.theta0", 500, f"{_ATMOST} 180"),
    Wrong("angles.0.atoms", ["a\nb", "CT", "CT"], _NAME, shown=r"'a\nb'"),
    Wrong("dihedrals.0.opls", [0, 0], "is missing", shown="opls.2"),
    Wrong("typing.0.smarts", "shell rm", "is not a valid SMARTS pattern", "typing"),
    Wrong("typing.0.type", "XX", "needs a type of the set", "typing"),
    Wrong("revises", "nope", "there is no force-field set", "opls-aa-ppo"),
    Wrong("angels", [], "did you mean 'angles'?", shown="'angels'"),
)
