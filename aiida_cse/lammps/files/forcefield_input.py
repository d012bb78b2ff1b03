"""Force-field include files of any origin: allowed commands and styles, missing styles and coefficients.

A file is read and never executed. It is read as LAMMPS reads it: lines are joined at ``&`` before comments are
removed. Where a person would read something else than LAMMPS, it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement, product
from math import prod, sqrt
from types import MappingProxyType

from aiida_cse.lammps.files.styles import KINDS, style_error
from aiida_cse.schema import nearest

__all__ = ["MOST_CHARACTERS", "Statements", "read_statements", "refuse_other_commands"]

#: largest include file; one with all pairs of 300 types has half of this
MOST_CHARACTERS = 5_000_000

#: commands that a force field may contain
_COMMANDS = frozenset(
    {"pair_modify", "special_bonds", "neigh_modify", "labelmap"}
    | {f"{kind}_{what}" for kind in KINDS for what in ("style", "coeff")}
)
#: commands of the script around it and of the stages of the protocol
_OF_THE_RUN = frozenset(
    {"units", "atom_style", "atom_modify", "boundary", "newton", "kspace_style", "kspace_modify", "neighbor"}
    | {"variable", "timestep", "read_data", "read_restart", "include", "thermo", "mass", "log", "processors"}
)
_WORD = re.compile(r"[A-Za-z0-9_.+*/:<>=-]{1,200}")
#: the only variable that the script defines
_CUTOFF = "${cutoff}"
_RANGE = re.compile(r"(?P<low>[0-9]{0,18})\*(?P<high>[0-9]{0,18})")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,4})?")
_TYPE = re.compile(r"[0-9]{1,18}")
#: characters besides printable ones; LAMMPS and others disagree on which of the rest end a line
_CONTROL = re.compile(r"[^\t\n -~\u00a1-\u2027\u202f-\U0010ffff]")
#: what the arguments of the other commands must look like, joined by blanks, and the words for it
_NUMBERS = r"( [-+0-9.eE]{1,40}){1,8}"
_WEIGHTS = rf"( (lj|coul|lj/coul){_NUMBERS}| (amber|charmm|dreiding)| (angle|dihedral|one/five|hybrid) (yes|no))+"
_ARGUMENTS = {
    "special_bonds": (re.compile(_WEIGHTS), "weights, such as `special_bonds lj 0 0 0.5 coul 0 0 0.5`"),
    "neigh_modify": (
        re.compile(r"( exclude (type [0-9]{1,9} [0-9]{1,9}|molecule/(intra|inter) all|none))+"),
        "`neigh_modify exclude type 1 2` or `exclude molecule/intra all`; the rest belongs to the run",
    ),
    "labelmap": (
        re.compile(rf" ({'|'.join(('atom', *KINDS[1:]))})( [0-9]{{1,9}} \S+)+"),
        "types with their labels, such as `labelmap atom 1 Li 2 O`",
    ),
    "pair_modify": (
        re.compile(
            r"( pair \S+( [0-9])?| special \S+( [-+0-9.eE]{1,40}){3}"
            r"| mix (geometric|arithmetic|sixthpower|distance)"
            r"| (shift|tail|compute|neigh/trim) (yes|no)| (table|table/disp) (0|[1-9]|1[0-9]|20)"
            r"| tabinner(/disp)? [0-9.]{1,40}| nofdotr)+"
        ),
        "keywords with yes, no, a rule or at most 20 bits, such as `pair_modify mix arithmetic tail yes`",
    ),
}
#: what ``pair_style zero`` with ``nocoeff`` needs
_ALL_ZERO = ("pair_coeff", "*", "*")
#: characters of a word, and problems, that a message shows
_LONGEST, _SHOWN = 60, 5
#: types that the coefficient commands of a file may name together
_MOST_NAMED = 5_000_000
#: styles of which a pair of types may have several sub-styles
_ADDING = frozenset({"hybrid/overlay", "hybrid/scaled", "hybrid/molecular"})


@dataclass(frozen=True)
class Statements:
    """Commands of an include file as words, in order, and the problems of rejected ones."""

    commands: tuple[tuple[str, ...], ...]
    problems: tuple[str, ...]

    @property
    def labels(self) -> dict[int, str]:
        """Labels that ``labelmap atom`` assigns to types."""
        return self._labelmap("atom")

    def style(self, name: str) -> tuple[str, ...] | None:
        """Return the arguments of the last ``bond_style``, ``special_bonds`` etc.; None if there is none."""
        found = [command[1:] for command in self.commands if command[0] == name]
        return found[-1] if found else None

    def coefficients(
        self, kind: str, count: int, labels: Mapping[int, str] = MappingProxyType({})
    ) -> dict[tuple[int, ...], dict[str, tuple[str, ...]]]:
        """Return the coefficients in effect, as LAMMPS reads the commands: a later one replaces an earlier one.

        Parameters
        ----------
        kind
            ``pair``, ``bond``, ``angle``, ``dihedral`` or ``improper``.
        count
            Number of types of the kind.
        labels
            Labels of the atom types.

        Returns
        -------
        dict
            By the types, one or, for pairs, the lower and the higher one: the arguments by sub-style, which is
            empty unless the style is hybrid. Only styles that add forces, such as ``hybrid/overlay``, have more
            than one.
        """
        style: tuple[str, ...] = ("",)
        by_label = {label: n for n, label in (labels if kind == "pair" else self._labelmap(kind)).items()}
        width, total = 2 if kind == "pair" else 1, 0
        found: dict[tuple[int, ...], dict[str, tuple[str, ...]]] = {}
        for command in self.commands:
            if command[0] == f"{kind}_style":
                # another style begins without coefficients
                found = found if command[1] == style[0] else {}
                style = command[1:]
            if command[0] != f"{kind}_coeff":
                continue
            hybrid, adds = style[0].startswith("hybrid"), style[0] in _ADDING
            named, words = command[1 : 1 + width], command[1 + width :]
            sets = [_named(word, count, by_label) for word in named]
            total += prod(map(len, sets))
            if total > _MOST_NAMED:
                raise ValueError(f"{kind}_coeff: the commands name over {_MOST_NAMED:,} types; must be fewer")
            chosen = product(*sets)
            if any(_RANGE.fullmatch(word) for word in named):
                # of the pairs that a range names, LAMMPS sets those with the lower type first
                keys = {types for types in chosen if types == tuple(sorted(types))}
            else:
                keys = {tuple(sorted(types)) for types in chosen}
            # a sub-style that the style lists twice is followed by the number of the one that is meant
            taken = 0 if not hybrid else 2 if style.count(words[0]) > 1 else 1
            entry = {" ".join(words[:taken]): words[taken:]}
            for types in keys:
                found[types] = found.get(types, {}) | entry if adds else entry
        return found

    def mixed(self, count: int, labels: Mapping[int, str]) -> dict[tuple[int, int], tuple[float, float]]:
        """Return ε and σ of the pairs without coefficients, as LAMMPS mixes them for Lennard-Jones styles.

        Returns
        -------
        dict
            By the lower and the higher type; empty for other styles. Parameters as in :meth:`coefficients`.
        """
        style, rule = "", None
        for command in self.commands:
            if command[0] == "pair_style" and command[1] != style:
                # another style begins with its own rule
                style, rule = command[1], None
            elif command[0] == "pair_modify" and "mix" in command[:-1]:
                rule = command[command.index("mix") + 1]
        if not style.startswith("lj/"):
            return {}
        rule = rule or ("sixthpower" if style.startswith("lj/class2") else "geometric")
        given = self.coefficients("pair", count, labels)
        own: dict[int, tuple[float, float]] = {}
        for number in range(1, count + 1):
            words = given.get((number, number), {}).get("", ())
            if len(words) >= 2 and all(_NUMBER.fullmatch(word) for word in words[:2]):
                own[number] = (float(words[0]), float(words[1]))
        pairs = combinations_with_replacement(sorted(own), 2)
        return {pair: _mix(rule, own[pair[0]], own[pair[1]]) for pair in pairs if pair not in given}

    def missing(self, types: Mapping[str, int], labels: Mapping[int, str], *, bonded: bool) -> list[str]:
        """Return a sentence for each missing style and each incomplete kind of coefficients.

        Parameters
        ----------
        types
            Numbers of types of ``pair``, ``bond``, ``angle``, ``dihedral`` and ``improper``.
        labels
            Labels of the atom types.
        bonded
            Whether there are bonds, for which LAMMPS needs ``special_bonds``.
        """
        sentences = []
        pairs = self.coefficients("pair", types["pair"], labels)
        numbers = range(1, types["pair"] + 1)
        hybrid = (self.style("pair_style") or ("",))[0].startswith("hybrid")
        for kind, count in types.items():
            if count and self.style(f"{kind}_style") is None:
                sentences.append(f"{kind}_style is missing")
            if kind == "pair":
                # hybrid styles do not mix
                needed = (
                    combinations_with_replacement(numbers, 2) if hybrid else zip(numbers, numbers, strict=True)
                )
                left = [f"{labels.get(i, i)}–{labels.get(j, j)}" for i, j in needed if (i, j) not in pairs]
            else:
                found = self.coefficients(kind, count)
                left = [str(number) for number in range(1, count + 1) if (number,) not in found]
            if left:
                shown = ", ".join(left[:8]) + (", …" if len(left) > 8 else "")
                sentences.append(f"{kind}_coeff is missing for {len(left)} of them ({shown})")
        ruled = any("mix" in command for command in self.commands if command[0] == "pair_modify")
        complete = all(pair in pairs for pair in combinations_with_replacement(numbers, 2))
        if not hybrid and not ruled and not complete:
            sentences.append("pair_modify mix is missing: the mixing rule of pairs without a pair_coeff")
        if bonded and self.style("special_bonds") is None:
            sentences.append("special_bonds is missing: the interactions between bonded atoms")
        return sentences

    def _labelmap(self, kind: str) -> dict[int, str]:
        words = [command[2:] for command in self.commands if command[:2] == ("labelmap", kind)]
        pairs = (pair for found in words for pair in zip(found[::2], found[1::2], strict=False))
        return {int(number): label for number, label in pairs}


def read_statements(text: str) -> Statements:
    """Return the commands of an include file, which is not executed; other commands are reported as problems."""
    if len(text) > MOST_CHARACTERS:
        return Statements((), (f"has {len(text):,} characters; a force field has at most {MOST_CHARACTERS:,}",))
    commands, problems = [], []
    if "landscape_" in text:
        # empty lines in place of the walls of a landscape
        for block in (_DRIFT, _FORMER_DRIFT, _WALL_TABLE):
            text = block.sub(lambda wall: "\n" * wall[0].count("\n"), text)
    for number, line, wrong in _lines(text):
        words = tuple(line.split())
        found = wrong or (_wrong(words) if words else None)
        if found:
            problems.append(f"line {number}: {found}")
        elif words:
            commands.append(words)
    return Statements(tuple(commands), tuple(problems))


@lru_cache(maxsize=32)
def refuse_other_commands(text: str) -> None:
    """Refuse an include file with anything but the commands and styles of a force field.

    Raises
    ------
    ValueError
        Names the lines, what is wrong with each, and what would be right.
    """
    problems = read_statements(text).problems
    if problems:
        more = f"; and {len(problems) - _SHOWN} more lines" if len(problems) > _SHOWN else ""
        raise ValueError("; ".join(problems[:_SHOWN]) + more)


def _lines(text: str) -> Iterator[tuple[int, str, str | None]]:
    """Yield line number and text of each command without its comment, and why it is not allowed if that is so.

    LAMMPS joins a line that ends in ``&`` with the next one, and one with an odd number of triple quotes with
    those up to the next triple quotes, both also in comments. It removes comments and replaces variables later.
    """
    start, joined, wrong = 0, "", None
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip(" \t\r")
        start = start if joined else number
        strange = _CONTROL.search(line)
        if strange:
            wrong = wrong or f"contains the character {strange[0]!r}; remove it"
        elif '"""' in line:
            wrong = wrong or "contains triple quotes, between which LAMMPS joins lines; remove them"
        elif "#" in joined and line and not line.lstrip().startswith("#"):
            wrong = wrong or (
                f"the comment ends in '&', so that LAMMPS takes line {number} for a part of it; remove the '&', "
                f"or begin line {number} with '#'"
            )
        joined += line
        if line.endswith("&"):
            joined = joined[:-1]
            continue
        yield start, joined.split("#", 1)[0], wrong
        joined, wrong = "", None
    if joined or wrong:
        yield start, joined.split("#", 1)[0], wrong or "ends in '&', but no line follows; remove the '&'"


def _wrong(words: Sequence[str]) -> str | None:
    """Return why a command is not allowed in a force field, None if it is."""
    command, arguments = words[0], words[1:]
    if command in _OF_THE_RUN:
        return f"{command} belongs to the run, not to the force field; remove it"
    if command not in _COMMANDS:
        shown = f"{command[:_LONGEST]!r}{'…' if len(command) > _LONGEST else ''}"
        return f"{shown} is not a command of a force field; {nearest(command[:_LONGEST], _COMMANDS)}"
    strange = next((word for word in words if not _WORD.fullmatch(word) and word != _CUTOFF), None)
    if strange is not None:
        shown = f"{strange[:_LONGEST]!r}{'…' if len(strange) > _LONGEST else ''}"
        if len(strange) > _LONGEST and _WORD.fullmatch(strange[:_LONGEST]):
            return f"{command}: {shown} has {len(strange)} characters; a word has at most 200"
        return f"{command}: {shown} contains characters that are not allowed; the only variable is {_CUTOFF}"
    kind, _, what = command.partition("_")
    least = 3 if command == "pair_coeff" else 2 if what == "coeff" else 1
    if len(arguments) < least and words != _ALL_ZERO:
        return f"{command}: has {len(arguments)} arguments; must have at least {least}"
    if command in _ARGUMENTS:
        form, words_for_it = _ARGUMENTS[command]
        return None if form.fullmatch(" " + " ".join(arguments)) else f"{command}: must be {words_for_it}"
    if what == "style":
        numbers = [bool(_NUMBER.fullmatch(word)) or word == _CUTOFF for word in arguments]
        return style_error(kind, arguments, numbers)
    return None


def _named(word: str, count: int, by_label: Mapping[str, int]) -> Sequence[int]:
    """Return the types that an argument of a coefficient command names: 3, 2*5, * or a label.

    An open end of a range is the first or the last of the ``count`` types.
    """
    if word in by_label:
        return (by_label[word],)
    if _TYPE.fullmatch(word):
        return (int(word),)
    found = _RANGE.fullmatch(word)
    if found is None:
        return ()
    return range(max(int(found["low"] or 1), 1), min(int(found["high"] or count), count) + 1)


def _mix(rule: str, first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """Return ε and σ of unlike atoms by a rule of ``pair_modify mix``.

    The rules are arithmetic (Lorentz-Berthelot), sixthpower (Waldman-Hagler) and geometric.
    """
    (energy, size), (other_energy, other_size) = first, second
    depth = sqrt(energy * other_energy)
    if rule == "arithmetic":
        return depth, (size + other_size) / 2
    if rule == "sixthpower":
        sum6 = size**6 + other_size**6
        return (2 * depth * size**3 * other_size**3 / sum6 if sum6 else 0.0), (sum6 / 2) ** (1 / 6)
    return depth, sqrt(size * other_size)


# -- walls of a landscape ------------------------------------------------------------------------------------
#
# The only commands of an include file beyond those of a force field, written by ``aiida_cse.landscape.system``:
# one table of an energy along z for each ion, and for a slab that drifts its motion. They are recognised as a
# whole, with nothing but numbers and the name of the ion to choose.

_DECIMAL = r"[-+0-9.e]{1,30}"
_COUNT = r"[0-9]{1,7}"
#: the line before may not continue into the block
_BLOCK_BEGIN = r"(?:\A|(?<=[^& \t\r\n]\n)|(?<=\n\n))"
_WALL_TABLE = re.compile(
    _BLOCK_BEGIN
    + r'print """# F of (?P<ion>[A-Za-z][A-Za-z0-9]{0,19}) along z\nlandscape_(?P=ion)\nN '
    + _COUNT
    + r"\n-\n"
    rf"(?:{_COUNT} {_DECIMAL} {_DECIMAL} {_DECIMAL}\n){{1,1000000}}"
    r'""" file landscape_(?P=ion)\.table screen no\n'
    rf"group landscape_(?P=ion) type {_COUNT}\n"
    rf"fix landscape_(?P=ion) landscape_(?P=ion) wall/table spline {_COUNT} zlo (?:v_landscape_wall|{_DECIMAL}) "
    rf"landscape_(?P=ion)\.table landscape_(?P=ion) {_DECIMAL} units box pbc yes\n"
    r"fix_modify landscape_(?P=ion) energy yes(?=\n)"
)
_SLAB = (
    rf"group landscape_slab type 1:{_COUNT}\n"
    rf"fix landscape_slab landscape_slab move linear 0 0 {_DECIMAL} units box\n"
)
_DRIFT = re.compile(
    _BLOCK_BEGIN + rf"variable landscape_wall equal {_DECIMAL}\+\({_DECIMAL}\+{_DECIMAL}\*step\*dt\)%{_DECIMAL}\n"
    rf"{_SLAB}group landscape_ions type > {_COUNT}\n"
    rf"fix landscape_wind landscape_ions gravity {_DECIMAL} vector 0 0 1(?=\n)"
)
#: as nodes of the first development versions have it
_FORMER_DRIFT = re.compile(
    _BLOCK_BEGIN + rf"variable landscape_shift equal \({_DECIMAL}\+{_DECIMAL}\*step\*dt\)/{_DECIMAL}\n"
    rf"variable landscape_wall equal {_DECIMAL}\+{_DECIMAL}\*\(v_landscape_shift-floor\(v_landscape_shift\)\)\n"
    rf"{_SLAB}(?:group landscape_wind_{_COUNT} type {_COUNT}\n"
    rf"fix landscape_wind_{_COUNT} landscape_wind_{_COUNT} addforce 0 0 {_DECIMAL}\n){{1,20}}(?=print)"
)
