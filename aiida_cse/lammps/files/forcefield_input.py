"""Checks of force-field include files of any origin: allowed commands, and missing styles and coefficients."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from math import sqrt
from types import MappingProxyType

from aiida_cse.schema import nearest

__all__ = ["Statements", "read_statements"]

#: commands that a force field may contain
_COMMANDS = frozenset(
    {"pair_style", "pair_coeff", "pair_modify", "special_bonds", "neigh_modify", "labelmap"}
    | {f"{kind}_{what}" for kind in ("bond", "angle", "dihedral", "improper") for what in ("style", "coeff")}
)
#: commands of the script around it and of the stages of the protocol
_OF_THE_RUN = frozenset(
    {"units", "atom_style", "atom_modify", "boundary", "newton", "kspace_style", "kspace_modify", "neighbor"}
    | {"variable", "timestep", "read_data", "read_restart", "include", "thermo", "mass", "log", "processors"}
)
_WORD = re.compile(r"^[A-Za-z0-9_.+*/:<>=-]+$")
#: the only variable that the script defines
_CUTOFF = "${cutoff}"
#: styles that run code
_RUNS_CODE = frozenset({"python", "mliap"})
_RANGE = re.compile(r"^(?P<low>\d*)\*(?P<high>\d*)$")
_NUMBER = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")
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
        width = 2 if kind == "pair" else 1
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
            chosen = product(*(_named(word, count, by_label) for word in named))
            if any(_RANGE.match(word) for word in named):
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
            if len(words) >= 2 and all(_NUMBER.match(word) for word in words[:2]):
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
        return {int(number): label for number, label in pairs if number.isdecimal()}


def read_statements(text: str) -> Statements:
    """Return the commands of an include file, which is not executed; other commands are reported as problems."""
    commands, problems = [], []
    for number, line in _lines(text):
        words = tuple(line.split())
        wrong = _wrong(words)
        if wrong:
            problems.append(f"line {number}: {wrong}")
        else:
            commands.append(words)
    return Statements(tuple(commands), tuple(problems))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and text of each command, without comments and with lines joined at ``&``."""
    start, collected = 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0].strip()
        start = start if collected else number
        collected = f"{collected} {line.removesuffix('&')}".strip()
        if collected and not line.endswith("&"):
            yield start, collected
            collected = ""
    if collected:
        yield start, collected


def _wrong(words: Sequence[str]) -> str | None:
    command = words[0]
    if command in _OF_THE_RUN:
        return f"{command} belongs to the run, not to the force field; remove it"
    if command not in _COMMANDS:
        return f"{command!r} is not a command of a force field; {nearest(command, _COMMANDS)}"
    strange = [word for word in words if not _WORD.match(word) and word != _CUTOFF]
    if strange:
        return (
            f"{command}: {strange[0]!r} contains characters that are not allowed; the only variable is {_CUTOFF}"
        )
    if command.endswith("_style") and _RUNS_CODE & set(words):
        return f"{command}: styles that run code are not allowed"
    if command == "neigh_modify" and words[1:2] != ("exclude",):
        return "neigh_modify belongs to the run, except `neigh_modify exclude`"
    least = 4 if command == "pair_coeff" else 3 if command.endswith("_coeff") else 2
    return (
        None
        if len(words) >= least
        else f"{command}: has {len(words) - 1} arguments; must have at least {least - 1}"
    )


def _named(word: str, count: int, by_label: Mapping[str, int]) -> Iterable[int]:
    """Return the types that an argument of a coefficient command names: 3, 2*5, * or a label."""
    if word in by_label:
        return (by_label[word],)
    if word.isdecimal():
        return (int(word),)
    found = _RANGE.match(word)
    if found is None:
        return ()
    return range(max(int(found["low"] or 1), 1), min(int(found["high"] or count), count) + 1)


def _mix(rule: str, first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """Return ε and σ of unlike atoms by a rule of ``pair_modify mix``."""
    (energy, size), (other_energy, other_size) = first, second
    depth = sqrt(energy * other_energy)
    if rule == "arithmetic":
        return depth, (size + other_size) / 2
    if rule == "sixthpower":
        sum6 = size**6 + other_size**6
        return (2 * depth * size**3 * other_size**3 / sum6 if sum6 else 0.0), (sum6 / 2) ** (1 / 6)
    return depth, sqrt(size * other_size)
