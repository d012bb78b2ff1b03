"""Styles that LAMMPS scripts use, styles and packages that a LAMMPS program has, and packages to build it with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Feature", "Program", "features_of", "lacking_package", "package_of", "read_help"]

#: headings of ``lmp -h`` over the styles of each command
_HEADINGS = {
    "Atom": "atom_style",
    "Integrate": "run_style",
    "Minimize": "min_style",
    "Pair": "pair_style",
    "Bond": "bond_style",
    "Angle": "angle_style",
    "Dihedral": "dihedral_style",
    "Improper": "improper_style",
    "KSpace": "kspace_style",
    "Fix": "fix",
    "Compute": "compute",
    "Dump": "dump",
}
_NAMED = re.compile(r"^(?P<command>fix|compute|dump)\s+\S+\s+\S+\s+(?P<style>[a-z]\S*)")
_STYLE = re.compile(rf"^(?P<command>{'|'.join(c for c in _HEADINGS.values() if '_' in c)})\s+(?P<words>\S.*)$")
_WORD = re.compile(r"[a-z][a-z0-9/_]*")
_VERSION = re.compile(
    r"^Large-scale Atomic/Molecular Massively Parallel Simulator - (?P<version>.+)$", re.MULTILINE
)
#: LAMMPS names the package of a style that it was built without
_PACKAGE = re.compile(r"Unrecognized \S+ style '(?P<style>\S+)' is part of the (?P<package>\S+) package")

#: package of each style beyond the core of LAMMPS; a command alone stands for its other styles
_PACKAGES = {
    "MOLECULE": (
        *("atom_style full", "bond_style harmonic", "angle_style harmonic", "improper_style harmonic"),
        *("dihedral_style multi/harmonic", "dihedral_style opls", "dihedral_style harmonic"),
    ),
    "KSPACE": (
        *("kspace_style pppm", "kspace_style ewald"),
        *("pair_style lj/cut/coul/long", "pair_style buck/coul/long", "pair_style coul/long"),
    ),
    "EXTRA-DUMP": ("dump dcd",),
    "EXTRA-FIX": ("fix wall/table", "fix addtorque", "fix gjf"),
    "EXTRA-MOLECULE": ("dihedral_style fourier", "dihedral_style nharmonic", "bond_style harmonic/shift"),
}


class Feature(NamedTuple):
    """A style of LAMMPS: the command that selects it, and its name."""

    command: str
    style: str

    def __str__(self) -> str:
        """Return the words of a script: ``dump dcd``."""
        return f"{self.command} {self.style}"


@dataclass(frozen=True)
class Program:
    """Version, installed packages and styles of a LAMMPS program, as ``lmp -h`` lists them."""

    version: str
    packages: tuple[str, ...]
    styles: frozenset[Feature]

    def lacks(self, needed: Iterable[Feature]) -> list[Feature]:
        """Return the features that this program does not have, in the order of their names."""
        return sorted(set(needed) - self.styles)


def features_of(*texts: str) -> set[Feature]:
    """Return the styles that LAMMPS scripts or include files select.

    Of hybrid styles all sub-styles are returned. ``none`` selects no style.
    """
    found: set[Feature] = set()
    for whole in "\n".join(texts).splitlines():
        line = whole.split("#", 1)[0].strip()
        if named := _NAMED.match(line):
            found.add(Feature(named["command"], named["style"]))
        elif style := _STYLE.match(line):
            command, words = style["command"], style["words"].split()
            chosen = words if words[0].startswith("hybrid") else words[:1]
            found |= {Feature(command, word) for word in chosen if word != "none" and _WORD.fullmatch(word)}
    return found


def read_help(text: str) -> Program | None:
    """Return what the help of a LAMMPS program says; None if it is not that of LAMMPS."""
    version = _VERSION.search(text)
    if version is None:
        return None
    _, _, after = text.partition("Installed packages:")
    listed, _, rest = after.partition("List of individual style options")
    styles: set[Feature] = set()
    for section in rest.split("\n* ")[1:]:
        heading, _, names = section.partition("styles")
        command = _HEADINGS.get(heading.strip())
        if command is not None:
            styles |= {Feature(command, word) for word in names.lstrip(":\n ").split()}
    return Program(version["version"].strip(), tuple(listed.split()), frozenset(styles))


def package_of(feature: Feature) -> str | None:
    """Return the package of LAMMPS that contains a style, as far as it is known; None for the core."""
    return next((package for package, styles in _PACKAGES.items() if str(feature) in styles), None)


def lacking_package(message: str) -> str | None:
    """Return the package that an error message of LAMMPS names as missing, None if it names none."""
    found = _PACKAGE.search(message)
    return None if found is None else found["package"]
