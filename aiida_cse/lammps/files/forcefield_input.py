"""Checks of force-field include files of any origin: allowed commands, and missing styles and coefficients."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

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


@dataclass(frozen=True)
class Statements:
    """Commands of an include file as words, in order, and the problems of rejected ones."""

    commands: tuple[tuple[str, ...], ...]
    problems: tuple[str, ...]

    @property
    def labels(self) -> dict[int, str]:
        """Labels that ``labelmap atom`` assigns to types."""
        words = [command[2:] for command in self.commands if command[:2] == ("labelmap", "atom")]
        pairs = (pair for found in words for pair in zip(found[::2], found[1::2], strict=False))
        return {int(number): label for number, label in pairs if number.isdecimal()}

    def style(self, name: str) -> tuple[str, ...] | None:
        """Return the arguments of the last ``bond_style``, ``special_bonds`` etc.; None if there is none."""
        found = [command[1:] for command in self.commands if command[0] == name]
        return found[-1] if found else None

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
        pairs = self._pairs(types["pair"], labels)
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
                given = [command[1] for command in self.commands if command[0] == f"{kind}_coeff"]
                found = {number for word in given for number in _named(word, count, {})}
                left = [str(number) for number in range(1, count + 1) if number not in found]
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

    def _pairs(self, count: int, labels: Mapping[int, str]) -> set[tuple[int, int]]:
        """Return the pairs of types with coefficients, the lower type first."""
        by_label = {label: number for number, label in labels.items()}
        pairs = set[tuple[int, int]]()
        for command in self.commands:
            if command[0] == "pair_coeff":
                first, second = (_named(word, count, by_label) for word in command[1:3])
                pairs |= {(min(i, j), max(i, j)) for i in first for j in second}
        return pairs


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
