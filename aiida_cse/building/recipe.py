"""The recipe of an interface: ceramic, polymer, salt, force fields, layout and seeds, checked before building."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from aiida_cse.building.crystal.convert import as_crystal, crystal_of_cif
from aiida_cse.building.crystal.model import CrystalStructure, Element
from aiida_cse.building.smiles import parse_smiles
from aiida_cse.forcefields.library import available_sets, load_set, make_set, settle_variants
from aiida_cse.forcefields.models import ForceFieldSet
from aiida_cse.forcefields.pairs import Mixing
from aiida_cse.schema import Name, Number, StrictModel, Whole, located, nearest, worded
from aiida_cse.yaml_io import parse_mapping, read_mapping, read_text

__all__ = [
    "WALL_SPECIES",
    "AnionRecipe",
    "CeramicRecipe",
    "ElectrolyteRecipe",
    "ForceFieldRecipe",
    "ForceFieldSets",
    "KineticsRecipe",
    "PolymerRecipe",
    "Recipe",
    "SaltRecipe",
    "Seeds",
    "WallRecipe",
    "available_recipes",
    "load_recipe",
    "read_recipe",
    "recipe_text",
    "unknown_sets",
]

_SMILES = worded(
    r"^[A-Za-z0-9@+\-\[\]()=#*/\\.%]+$", "a SMILES string: letters, digits and @ + - [ ] ( ) = # * / \\ . %"
)
_SPECIES = worded(r"^[A-Za-z][A-Za-z0-9_]*$", "letters, digits and '_', first a letter")
Smiles = Annotated[str, Field(strict=True, pattern=_SMILES, max_length=500)]
Seed = Annotated[int, Field(strict=True, ge=1, le=2_000_000_000)]
Repeat = Annotated[int, Field(strict=True, ge=1, le=50)]
Index = Annotated[int, Field(strict=True, ge=-9, le=9)]
Kelvin = Annotated[Number, Field(gt=0, le=5000)]
#: name of an ion in every analysis; see the keys of ``ReductionConfig.ions``
SpeciesName = Annotated[str, Field(strict=True, pattern=_SPECIES, max_length=80)]

#: species of the dummy atoms of the wall
WALL_SPECIES = "wall"

#: a CIF may list reflections as well
_MOST_BYTES_OF_CIF = 20_000_000

_FOLDER = resources.files("aiida_cse.building") / "recipes"


class CeramicRecipe(StrictModel):
    """The slab: its crystal, the plane at which it is cut, and the random occupancy of its mobile ions.

    Attributes
    ----------
    structure
        The crystal; also a CIF (``cif``: in a file, the name of one beside it, else its text) or a pymatgen
        structure (its ``as_dict()``), which are converted.
    miller, shift
        The plane of the cut, and its height as a fraction of one cell.
    repeat
        Numbers of right-angled cells along x, y and z. The cell is the smallest one of whole lattice vectors whose
        third axis is normal to the plane.
    flip
        Rotate the slab by π about x after the cut.
    min_distance
        Shortest distance between mobile ions as built, Å.
    dopant_distance
        Shortest distance between a dopant (an immobile ion on a partly occupied site) and any other ion drawn at
        random, Å.
    mobile, framework
        The species that diffuses, and the ordered species that do not and define the frame of every analysis.
    """

    structure: Annotated[CrystalStructure, BeforeValidator(as_crystal)]
    miller: tuple[Index, Index, Index]
    repeat: tuple[Repeat, Repeat, Repeat]
    shift: Number = Field(ge=0, lt=1)
    flip: bool = Field(default=False, strict=True)
    min_distance: Number = Field(default=1.5, ge=0, le=4)
    dopant_distance: Number = Field(default=2.0, ge=0, le=4)
    mobile: Element
    framework: tuple[Element, ...] = Field(min_length=1)

    @property
    def species(self) -> tuple[str, ...]:
        """The species of the crystal in the order of its sites, the mobile one last."""
        immobile = dict.fromkeys(site.species for site in self.structure.sites if site.species != self.mobile)
        return (*immobile, self.mobile)

    @model_validator(mode="after")
    def _consistent(self) -> CeramicRecipe:
        if self.miller == (0, 0, 0):
            raise ValueError("miller = (0, 0, 0): is not a plane; give three indices that are not all 0")
        present = {site.species for site in self.structure.sites}
        if self.mobile not in present:
            raise ValueError(
                f"mobile = {self.mobile!r}: is on no site of the structure; known: {', '.join(sorted(present))}"
            )
        for species in self.framework:
            if species not in present or species == self.mobile:
                raise ValueError(f"framework: {species!r} must be an immobile species of the structure")
        if len(set(self.framework)) < len(self.framework):
            raise ValueError(f"framework = {', '.join(self.framework)}: each species must be there once")
        for number, site in enumerate(self.structure.sites):
            if site.occupancy < 1 and site.species in self.framework:
                place = f"structure.sites.{number}.occupancy = {site.occupancy}"
                raise ValueError(f"{place}: {site.species} is in the framework, which has no disorder; must be 1")
        return self


class PolymerRecipe(StrictModel):
    """Linear chains: a repeat unit with two open ends ``*`` and two end groups with one each.

    ``name`` is their species.
    """

    name: SpeciesName
    repeat_unit: Smiles
    end_groups: tuple[Smiles, Smiles]
    length: int = Field(strict=True, ge=1, le=1000)
    chains: int = Field(strict=True, ge=1, le=10_000)

    @model_validator(mode="after")
    def _open_ends(self) -> PolymerRecipe:
        parse_smiles(self.repeat_unit, "repeat_unit", open_ends=2, charge=0)
        for number, group in enumerate(self.end_groups):
            parse_smiles(group, f"end_groups.{number}", open_ends=1, charge=0)
        return self


class AnionRecipe(StrictModel):
    """The anion of the salt; ``name`` is its species in every analysis."""

    name: SpeciesName
    smiles: Smiles

    @model_validator(mode="after")
    def _is_one_anion(self) -> AnionRecipe:
        parse_smiles(self.smiles, "smiles", open_ends=0, charge=-1)
        return self


class SaltRecipe(StrictModel):
    """The salt: ``pairs`` cations, of the ceramic's mobile species, and as many anions."""

    name: Name
    cation: Element
    anion: AnionRecipe
    pairs: int = Field(strict=True, ge=1, le=100_000)


class ForceFieldSets(NamedTuple):
    """The force-field sets of a recipe, with all variants settled."""

    ceramic: ForceFieldSet
    cross: ForceFieldSet
    polymer: ForceFieldSet
    salt: ForceFieldSet


class ForceFieldRecipe(StrictModel):
    """The force-field sets by role, and the choices that they leave open.

    Attributes
    ----------
    ceramic, cross, polymer, salt
        Names of the sets: inside the ceramic, of its atoms towards the electrolyte, of the polymer, of the salt.
    variants
        Choices among published values, by the names that the sets give them.
    mixing
        The mixing rule of unlike Lennard-Jones pairs.
    lithium
        ``one``: the mobile ion has a single set of parameters. ``by-origin``: it keeps those of the phase it came
        from, which are the ceramic's Buckingham terms and, towards the electrolyte, the Lennard-Jones terms of
        ``cross``; or the salt's Lennard-Jones terms towards all atoms.
    own_sets
        Sets that are not shipped, by name.
    salt_charge_scale
        Factor on the charges of cation and anion.
    hydrogen_mass
        Mass of hydrogen, g/mol.
    """

    ceramic: Name
    cross: Name
    polymer: Name
    salt: Name
    variants: dict[Name, Name] = Field(default_factory=dict)
    mixing: Mixing = "lorentz-berthelot"
    lithium: Literal["one", "by-origin"] = "one"
    own_sets: dict[Name, ForceFieldSet] = Field(default_factory=dict)
    salt_charge_scale: Number = Field(default=1.0, gt=0, le=1)
    hydrogen_mass: Number = Field(default=1.008, ge=1, le=4)

    @field_validator("own_sets", mode="before")
    @classmethod
    def _make_own_sets(cls, value: object) -> object:
        """Complete the sets; content without the form of a set is refused by the model."""
        if not isinstance(value, Mapping):
            return value
        made: dict[object, object] = {}
        for name, content in value.items():
            made[name] = content
            if isinstance(name, str) and isinstance(content, Mapping):
                if name in available_sets():
                    raise ValueError(f"{name}: is the name of a shipped set; give yours another one")
                with located(name):
                    made[name] = make_set(name, content)
        return made

    @model_validator(mode="after")
    def _sets_exist(self) -> ForceFieldRecipe:
        for role in ForceFieldSets._fields:
            with located(role):
                self.named_set(role)
        with located("variants"):
            self.sets()
        return self

    def named_set(self, role: str) -> ForceFieldSet:
        """Return the set of a role before its variants are settled; ValueError if the name is not known."""
        name: str = getattr(self, role)
        return self.own_sets[name] if name in self.own_sets else load_set(name)

    def sets(self) -> ForceFieldSets:
        """Return the sets with the chosen, else the default variants."""
        named = [self.named_set(role) for role in ForceFieldSets._fields]
        return ForceFieldSets(*settle_variants(named, self.variants))


class WallRecipe(StrictModel):
    """The flat grid of dummy atoms that keeps molecules from crossing z; ε in kcal/mol, σ and spacing in Å."""

    epsilon: Number = Field(default=0.05, gt=0, le=10)
    sigma: Number = Field(default=2.193, gt=0, le=10)
    spacing: Number = Field(default=2.594, ge=0.5, le=10)


class ElectrolyteRecipe(StrictModel):
    """Initial layout of the electrolyte: density in g/cm³, distance to the wall ``padding`` in Å."""

    density: Number = Field(default=0.5, ge=0.02, le=1.5)
    padding: Number = Field(default=2.0, ge=0.5, le=20)
    wall: WallRecipe = WallRecipe()


class Seeds(StrictModel):
    """The seeds of the random choices: mobile ions of the slab, layout of the electrolyte, first velocities."""

    slab: Seed
    electrolyte: Seed
    velocities: Seed


class KineticsRecipe(StrictModel):
    """Known values of this interface that its kinetics need; a protocol takes them where it says ``recipe``.

    Attributes
    ----------
    shifts
        Pairs of a temperature (K) and the shift Δz (Å) of the first layer towards the slab, relative to the
        highest temperature.
    minimum_excess
        Pairs of a temperature (K) and the number of mobile ions that the ceramic must hold beyond those that the
        slab started with for an entry to count.
    condition_last_ns
        Pairs of a temperature (K) and the time at the end of the run, ns, in which such entries count.
    """

    shifts: tuple[tuple[Kelvin, Number], ...] | None = None
    minimum_excess: tuple[tuple[Kelvin, Whole], ...] | None = None
    condition_last_ns: tuple[tuple[Kelvin, Annotated[Number, Field(gt=0)]], ...] | None = None


class Recipe(StrictModel):
    """A polymer/ceramic interface: chemistry, size, force field, seeds, and what is known of its kinetics.

    Units: Å, g/mol, g/cm³, kcal/mol.
    """

    name: Name
    description: str = Field(default="", max_length=2000)
    ceramic: CeramicRecipe
    polymer: PolymerRecipe
    salt: SaltRecipe
    forcefield: ForceFieldRecipe
    electrolyte: ElectrolyteRecipe = ElectrolyteRecipe()
    seeds: Seeds
    kinetics: KineticsRecipe | None = None

    @model_serializer(mode="wrap")
    def _leave_out_unknown_kinetics(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # a recipe without this section is the same node, with the same hash, as before there was one
        content: dict[str, Any] = dump(self)
        if self.kinetics is None:
            content.pop("kinetics", None)
        return content

    @model_validator(mode="after")
    def _one_mobile_ion(self) -> Recipe:
        cation = self.salt.cation
        if cation != self.ceramic.mobile:
            mobile = self.ceramic.mobile
            raise ValueError(f"salt.cation = {cation!r}: must be the ceramic's mobile species {mobile!r}")
        sets, scale = self.forcefield.sets(), self.forcefield.salt_charge_scale
        names = {entry.bonded_name for entry in sets.ceramic.atom_types if entry.name in self.ceramic.species}
        terms = [
            f"{kind[:-1]} {'-'.join(term.atoms)}"
            for kind in ("bonds", "angles", "dihedrals")
            for term in getattr(sets.ceramic, kind)
            if names.issuperset(term.atoms)
        ]
        if terms:
            raise ValueError(
                f"forcefield.ceramic = {self.forcefield.ceramic!r}: it bonds atoms of the ceramic "
                f"({', '.join(terms)}), and a slab is built without bonds; choose a set of pair terms only, or "
                "import an interface whose data file has these bonds (aiida-cse system import)"
            )
        in_ceramic, in_salt = (
            next((entry.charge for entry in chosen.atom_types if entry.name == cation), None)
            for chosen in (sets.ceramic, sets.salt)
        )
        # a missing type is reported together with all others when the molecules are typed
        if in_ceramic is not None and in_salt is not None and abs(in_ceramic - in_salt * scale) > 1e-9:
            raise ValueError(
                f"forcefield.salt_charge_scale = {scale}: gives {cation} of the salt the charge"
                f" {in_salt * scale:g}, in the ceramic it is {in_ceramic:g}; one ion needs one charge"
            )
        return self

    @model_validator(mode="after")
    def _distinct_species(self) -> Recipe:
        taken = {species.lower(): "a species of the ceramic" for species in self.ceramic.species}
        taken[WALL_SPECIES] = "the wall's dummy atoms"
        for field, name in (("polymer.name", self.polymer.name), ("salt.anion.name", self.salt.anion.name)):
            owner = taken.setdefault(name.lower(), field)
            if owner != field:
                raise ValueError(
                    f"{field} = {name!r}: already names {owner}; species must differ by more than case"
                )
        return self


def available_recipes() -> tuple[str, ...]:
    """Return the names of the shipped recipes."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Return a shipped recipe by name, or the one in a YAML file.

    Raises
    ------
    ValueError
        There is no such recipe or file, or it is not valid; names the field.
    """
    content = read_recipe(name_or_path)
    with located(Path(name_or_path)):
        return Recipe.model_validate(content)


def read_recipe(name_or_path: str | Path) -> dict[str, Any]:
    """Return the content of a shipped recipe or of a YAML file, unchecked.

    The name of a CIF is replaced by its text.

    Raises
    ------
    ValueError
        There is no such recipe or file, it is not a mapping, or the CIF cannot be read.
    """
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise ValueError(f"there is no recipe file {path}")
        return _with_cif(read_mapping(path, "a recipe"), path)
    known = available_recipes()
    if str(name_or_path) not in known:
        hint = f"{nearest(str(name_or_path), known)} (available: {', '.join(known)})"
        raise ValueError(f"there is no recipe {str(name_or_path)!r}; {hint}")
    return parse_mapping(recipe_text(str(name_or_path)), str(name_or_path), "a recipe")


def recipe_text(name: str) -> str:
    """Return the text of a shipped recipe."""
    return (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def _with_cif(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a recipe with the text of the CIF that it names.

    The CIF must lie beside the recipe, so that a recipe from elsewhere cannot read other files.
    """
    ceramic = content.get("ceramic")
    structure = ceramic.get("structure") if isinstance(ceramic, Mapping) else None
    if not isinstance(ceramic, Mapping) or not isinstance(structure, Mapping):
        return content
    name = structure.get("cif")
    # the text of a CIF has more than one line
    if not isinstance(name, str) or not name or "\n" in name:
        return content
    with located(path), located("ceramic.structure.cif"):
        file = path.parent / name
        if Path(name).name != name or not file.is_file():
            raise ValueError(f"{name!r} must be the name of a file beside the recipe, in {path.parent.resolve()}")
    text = read_text(file, "a CIF", _MOST_BYTES_OF_CIF)
    # a fault of the CIF is one of that file, not of the recipe
    with located(file):
        crystal_of_cif(text)
    return content | {"ceramic": {**ceramic, "structure": {**structure, "cif": text}}}


def unknown_sets(recipe: object) -> dict[str, str]:
    """Return the force-field sets, by role, that a recipe names and that are neither in it nor shipped.

    Content without the form of a recipe, or of a name, is refused by the model.
    """
    forcefield = recipe.get("forcefield") if isinstance(recipe, Mapping) else None
    own = forcefield.get("own_sets", {}) if isinstance(forcefield, Mapping) else None
    if not isinstance(forcefield, Mapping) or not isinstance(own, Mapping):
        return {}
    named = {role: forcefield.get(role) for role in ForceFieldSets._fields}
    known = {*own, *available_sets()}
    return {role: str(name) for role, name in named.items() if _is_name(name) and name not in known}


def _is_name(value: object) -> bool:
    try:
        TypeAdapter(Name).validate_python(value)
    except ValidationError:
        return False
    return True
