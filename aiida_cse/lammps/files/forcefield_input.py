"""Include files with a force field of any origin: only what belongs there, and all that must be there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

from aiida_cse.schema import nearest

__all__ = ["Statements", "read_statements"]

#: a force field is these commands and no others
_COMMANDS = frozenset(
    {"pair_style", "pair_coeff", "pair_modify", "special_bonds", "neigh_modify", "labelmap"}
    | {f"{kind}_{what}" for kind in ("bond", "angle", "dihedral", "improper") for what in ("style", "coeff")}
)
#: what a script has around it and the stages of the protocol set
_OF_THE_RUN = frozenset(
    {"units", "atom_style", "atom_modify", "boundary", "newton", "kspace_style", "kspace_modify", "neighbor"}
    | {"variable", "timestep", "read_data", "read_restart", "include", "thermo", "mass", "log", "processors"}
)
_WORD = re.compile(r"^[A-Za-z0-9_.+*/:<>=-]+$")
#: the one variable that the script defines for it
_CUTOFF = "${cutoff}"
#: words that would let a force field run code
_RUNS_CODE = frozenset({"python", "mliap"})
_RANGE = re.compile(r"^(?P<low>\d*)\*(?P<high>\d*)$")


@dataclass(frozen=True)
class Statements:
    """The commands of an include file as words, in order, with what is wrong with each."""

    commands: tuple[tuple[str, ...], ...]
    problems: tuple[str, ...]

    @property
    def labels(self) -> dict[int, str]:
        """The labels that ``labelmap atom`` gives to types."""
        words = [command[2:] for command in self.commands if command[:2] == ("labelmap", "atom")]
        pairs = (pair for found in words for pair in zip(found[::2], found[1::2], strict=False))
        return {int(number): label for number, label in pairs if number.isdecimal()}

    def style(self, name: str) -> tuple[str, ...] | None:
        """Return what follows the last ``bond_style``, ``special_bonds`` or the like, None if there is none."""
        found = [command[1:] for command in self.commands if command[0] == name]
        return found[-1] if found else None

    def missing(self, types: Mapping[str, int], labels: Mapping[int, str], *, bonded: bool) -> list[str]:
        """Return a sentence for each style and for each kind of coefficients that is not complete.

        Parameters
        ----------
        types
            How many types there are of ``pair``, ``bond``, ``angle``, ``dihedral`` and ``improper``.
        labels
            The labels of the atom types.
        bonded
            Whether atoms are bonded, so that LAMMPS needs to be told how bonded atoms see each other.
        """
        sentences = []
        for kind, count in types.items():
            if count and self.style(f"{kind}_style") is None:
                sentences.append(f"{kind}_style is missing")
            left = self._without_coefficients(kind, count, labels)
            if left:
                shown = ", ".join(left[:8]) + (", …" if len(left) > 8 else "")
                sentences.append(f"{kind}_coeff is missing for {len(left)} of them ({shown})")
        if self._mixes(types["pair"], labels) and not any(
            "mix" in c for c in self.commands if c[0] == "pair_modify"
        ):
            sentences.append("pair_modify mix is missing: by which rule pairs without a pair_coeff are mixed")
        if bonded and self.style("special_bonds") is None:
            sentences.append("special_bonds is missing: how atoms that are bonded see each other")
        return sentences

    @property
    def _is_hybrid(self) -> bool:
        style = self.style("pair_style")
        return style is not None and style[0].startswith("hybrid")

    def _mixes(self, count: int, labels: Mapping[int, str]) -> bool:
        """Whether some pairs of unlike atoms have no coefficients of their own, and may do without."""
        pairs = self._pairs(count, labels)
        every = combinations_with_replacement(range(1, count + 1), 2)
        return not self._is_hybrid and any(pair not in pairs for pair in every)

    def _pairs(self, count: int, labels: Mapping[int, str]) -> set[tuple[int, int]]:
        """Return the pairs of types with coefficients, the lower first."""
        by_label = {label: number for number, label in labels.items()}
        pairs = set[tuple[int, int]]()
        for command in self.commands:
            if command[0] == "pair_coeff":
                first, second = (_named(word, count, by_label) for word in command[1:3])
                pairs |= {(min(i, j), max(i, j)) for i in first for j in second}
        return pairs

    def _without_coefficients(self, kind: str, count: int, labels: Mapping[int, str]) -> list[str]:
        numbers = range(1, count + 1)
        if kind != "pair":
            given = [command[1] for command in self.commands if command[0] == f"{kind}_coeff"]
            found = {number for word in given for number in _named(word, count, {})}
            return [str(number) for number in numbers if number not in found]
        pairs = self._pairs(count, labels)
        # a hybrid style mixes nothing
        needed = combinations_with_replacement(numbers, 2) if self._is_hybrid else ((i, i) for i in numbers)
        return [f"{labels.get(i, i)}–{labels.get(j, j)}" for i, j in needed if (i, j) not in pairs]


def read_statements(text: str) -> Statements:
    """Return the commands of an include file; it never runs, and what is not a force field is a problem."""
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
    """Give the number and the text of each command, comments taken off and lines that go on with & joined."""
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
        return f"{command} belongs to the run, not to the force field; take it out"
    if command not in _COMMANDS:
        return f"{command!r} is no command of a force field; {nearest(command, _COMMANDS)}"
    strange = [word for word in words if not _WORD.match(word) and word != _CUTOFF]
    if strange:
        return (
            f"{command}: {strange[0]!r} has signs that a force field does not need; the one variable is {_CUTOFF}"
        )
    if command.endswith("_style") and _RUNS_CODE & set(words):
        return f"{command}: a style that runs code is not taken"
    if command == "neigh_modify" and words[1:2] != ("exclude",):
        return "neigh_modify belongs to the run, but for `neigh_modify exclude`"
    least = 4 if command == "pair_coeff" else 3 if command.endswith("_coeff") else 2
    return None if len(words) >= least else f"{command}: {len(words) - 1} words follow, at least {least - 1} must"


def _named(word: str, count: int, by_label: Mapping[str, int]) -> Iterable[int]:
    """Return the types that a word of a coefficient command names: 3, 2*5, * or a label."""
    if word in by_label:
        return (by_label[word],)
    if word.isdecimal():
        return (int(word),)
    found = _RANGE.match(word)
    if found is None:
        return ()
    return range(max(int(found["low"] or 1), 1), min(int(found["high"] or count), count) + 1)
