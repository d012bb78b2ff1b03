"""Recipe files: all their errors with lines, and commented copies of shipped recipes to start from."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from aiida_cse.building.recipe import Recipe, available_recipes, recipe_text
from aiida_cse.schema import Name, located, nearest, refusals, unknown_keys

__all__ = ["Problem", "check_content", "commented_copy", "recipe_lines"]

Place = tuple[str | int, ...]

#: field that begins a refusal
_FIELD = re.compile(r"[a-z_]\w*(?:\.[\w-]+)*")
#: columns of a comment
_WIDTH = 80
#: what the fields of a recipe mean, as comments of a copy
_COMMENTS: Mapping[str, str] = {
    "ceramic": "The slab.",
    "ceramic.structure": "Space group, edges in Å and inequivalent sites; or {cif: FILE beside this one}.",
    "ceramic.structure.sites": "Fractional coordinates; occupancy below 1: drawn at random.",
    "ceramic.miller": "Plane of the cut.",
    "ceramic.repeat": "Right-angled cells along x, y and z; z is the thickness of the slab.",
    "ceramic.shift": "Height of the cut as a fraction of a cell (0 to 1), which chooses the termination.",
    "ceramic.min_distance": "Å, shortest distance of mobile ions as built (0 to 4).",
    "ceramic.dopant_distance": "Å, shortest distance of a dopant from other ions drawn at random (0 to 4).",
    "ceramic.mobile": "The ion that diffuses, in both phases.",
    "ceramic.framework": "Species that do not diffuse; they define the frame of every analysis.",
    "polymer": "Linear chains. SMILES; * is an open end.",
    "polymer.length": "Repeat units per chain.",
    "polymer.chains": "Number of chains: with the cross-section they give the thickness of the electrolyte.",
    "salt": "As many cations as anions; the anion as SMILES with the charge -1.",
    "salt.pairs": "Number of ion pairs: with length and chains they give Li:EO.",
    "forcefield": "Names of sets: `aiida-cse forcefield list`.",
    "forcefield.cross": "Lennard-Jones terms of the ceramic towards the electrolyte.",
    "forcefield.variants": "Choices among published values, by the names that the sets give them.",
    "forcefield.mixing": "lorentz-berthelot, or geometric-inside-polymer.",
    "forcefield.salt_charge_scale": "Factor on the charges of the salt; the cation has one charge in both phases.",
    "forcefield.hydrogen_mass": "g/mol; 2.014 is deuterium, which allows a timestep of 2 fs.",
    "forcefield.own_sets": "Sets that are not shipped, by name.",
    "electrolyte": "Layout before the electrolyte is compressed: g/cm³, Å, kcal/mol.",
    "seeds": "Every random choice has its own; other seeds give another, independent interface.",
}


@dataclass(frozen=True)
class Problem:
    """An error of a recipe: the line of the file, None if it is not known, and the refusal."""

    line: int | None
    message: str


def check_content(content: Mapping[str, Any], text: str) -> tuple[Recipe | None, list[Problem]]:
    """Return the recipe, None if it is not valid, and everything that is wrong with it.

    After the fields themselves, it is checked that molecules can be typed, that the slab can be cut and made
    neutral, and that a chain fits into the electrolyte.

    Parameters
    ----------
    content
        The content, with the sets of the profile if it names some.
    text
        The text of the file, for the lines.
    """
    lines = recipe_lines(text)
    recipe, refused = _validated(content)
    if recipe is not None:
        refused = list(_building_errors(recipe))
    problems: dict[Problem, None] = {}
    for place, words in refused:
        keys = tuple(int(key) if isinstance(key, str) and key.isdecimal() else key for key in place)
        # the line of the place, or of the innermost one around it that the file has
        around = (keys[:depth] for depth in range(len(keys), 0, -1))
        line = next((lines[one] for one in around if one in lines), None)
        problems[Problem(line, words)] = None
    return recipe, sorted(problems, key=lambda one: one.line or 0)


def _validated(content: Mapping[str, Any]) -> tuple[Recipe | None, list[tuple[Place, str]]]:
    """Return the recipe, or all refusals.

    A model with an unknown key names no other error. Such keys are removed, and the rest is checked again.
    """
    try:
        return Recipe.model_validate(content), []
    except ValidationError as error:
        found, unknown = refusals(error), unknown_keys(error)
    # a model that refuses one of its fields names it in the message alone
    named = [
        (next((one for one in unknown if one[:-1] == place), max(place, _field(words), key=len)), words)
        for place, words in found
    ]
    left = deepcopy(dict(content))
    removed = [_remove(left, place) for place in unknown]
    if not unknown or not all(removed):
        return None, named
    # a field whose name is misspelt is not missing as well
    others = [
        (place, words)
        for place, words in _validated(left)[1]
        if not (words.endswith(": is missing") and any(f"did you mean '{place[-1]}'" in told for _, told in named))
    ]
    return None, list(dict.fromkeys([*named, *others]))


def _remove(content: Any, place: Place) -> bool:
    """Remove a key and return whether it was there; keys that are no text are not found."""
    *above, key = place
    with suppress(KeyError, IndexError, TypeError):
        for one in above:
            content = content[one]
        del content[key]
        return True
    return False


def _building_errors(recipe: Recipe) -> Iterator[tuple[Place, str]]:
    """Yield why a valid recipe cannot be built."""
    # slow to import, and not needed for a copy or for errors of fields
    from aiida_cse.building.ceramic.slab import check_slab
    from aiida_cse.building.electrolyte.build import check_electrolyte
    from aiida_cse.building.type_table import chemistry_of

    try:
        chemistry_of(recipe)
        edges = check_slab(recipe)
        check_electrolyte(recipe, *edges)
    except ValueError as error:
        words = str(error)
        yield _field(words), words


def _field(words: str) -> Place:
    """Return the keys with which a refusal begins."""
    found = _FIELD.match(words)
    return tuple(found[0].split(".")) if found else ()


# -- lines ---------------------------------------------------------------------------------------------------


def recipe_lines(text: str) -> dict[Place, int]:
    """Return the line of each key and each entry of a list of a YAML text; empty if it is not YAML."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return {}
    lines: dict[Place, int] = {}
    waiting: list[tuple[Place, Any]] = [((), node)]
    while waiting:
        place, one = waiting.pop()
        pairs: Sequence[tuple[Any, Any, Any]] = []
        if isinstance(one, yaml.MappingNode):
            pairs = [(key.value, key, value) for key, value in one.value if isinstance(key, yaml.ScalarNode)]
        elif isinstance(one, yaml.SequenceNode):
            pairs = [(number, value, value) for number, value in enumerate(one.value)]
        for key, mark, value in pairs:
            below = (*place, key)
            lines[below] = mark.start_mark.line + 1
            waiting.append((below, value))
    return lines


# -- copies --------------------------------------------------------------------------------------------------


def commented_copy(name: str, base: str, file: str) -> str:
    """Return the text of a recipe called ``name``, for ``file``: a shipped one with a comment for each field.

    What is known of the kinetics of the shipped interface is left out as comments, because it does not hold for
    another one.

    Raises
    ------
    ValueError
        The name is no name of a recipe, or that of a shipped one; or there is no shipped recipe ``base``.
    """
    with located("name"):
        TypeAdapter(Name).validate_python(name)
    if base not in available_recipes():
        raise ValueError(f"there is no shipped recipe {base!r}; {nearest(base, available_recipes())}")
    if name in available_recipes():
        raise ValueError(f"name = {name}: is the name of a shipped recipe; give yours another one")
    text = recipe_text(base)
    lines = recipe_lines(text)
    by_line = {line: ".".join(map(str, place)) for place, line in reversed(list(lines.items()))}
    starts = {lines[place]: str(place[0]) for place in lines if len(place) == 1}
    made = [
        f"# {name}, made from the shipped recipe {base}. Every field with its limits: `recipe` in the reference.",
        f"# Check it with: aiida-cse recipe check {file}",
    ]
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        section = starts.get(number, section)
        if not section or (section == "description" and number not in starts):
            continue
        if section in ("name", "description"):
            made.append(
                f"name: {name}" if section == "name" else f"description: like {base}; say here what is not"
            )
        elif section == "kinetics":
            made += [f"# Known of {base} alone; values of yours, if there are any:"] if number in starts else []
            made.append(f"# {line}")
        else:
            comment = _COMMENTS.get(by_line.get(number, ""))
            indent = line[: len(line) - len(line.lstrip())]
            made += [f"{indent}# {comment}"] if comment else []
            made.append(line)
    folded = (
        part
        for line in made
        for part in (
            textwrap.wrap(line, _WIDTH, subsequent_indent=line[: line.index("#") + 2], break_long_words=False)
            if line.lstrip().startswith("#") and not line.startswith("#   ")
            else [line]
        )
    )
    return "\n".join(folded) + "\n"
