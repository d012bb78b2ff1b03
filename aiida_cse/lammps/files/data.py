"""LAMMPS data files of atom style ``full``, read into arrays and written back.

Types are numeric and the header declares every type of the whole system, so that one force-field include
file serves each phase of the work. Coefficients live in that include file, never in the data file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["TOPOLOGY", "DataFile"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: kind of bonded term -> number of atoms in it
TOPOLOGY = {"bonds": 2, "angles": 3, "dihedrals": 4, "impropers": 4}

_SECTIONS = ("Masses", "Atoms", "Velocities", "Bonds", "Angles", "Dihedrals", "Impropers")


def _empty_topology() -> dict[str, Integers]:
    return {kind: np.zeros((0, atoms + 1), dtype=np.int64) for kind, atoms in TOPOLOGY.items()}


@dataclass
class DataFile:
    """The atoms, box and topology of a system of N atoms.

    Attributes
    ----------
    box
        (3, 2) lower and upper bounds in Å.
    masses
        (T,) g/mol, type t at index t − 1.
    molecules, types, charges, positions, images
        (N,) molecule IDs, (N,) types from 1, (N,) charges in e, (N, 3) wrapped positions in Å and (N, 3)
        image flags. Atom i has the LAMMPS ID i + 1.
    velocities
        (N, 3) in Å/fs, or None.
    topology
        For each kind of :data:`TOPOLOGY` an (M, 1 + k) array: type, then k atom IDs.
    topology_types
        The number of types that the header declares for each kind.
    """

    box: Floats
    masses: Floats
    molecules: Integers
    types: Integers
    charges: Floats
    positions: Floats
    images: Integers
    velocities: Floats | None = None
    topology: dict[str, Integers] = field(default_factory=_empty_topology)
    topology_types: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOPOLOGY, 0))

    @property
    def natoms(self) -> int:
        """The number of atoms."""
        return len(self.types)

    @property
    def lengths(self) -> Floats:
        """Box edges, (3,) Å."""
        edges: Floats = self.box[:, 1] - self.box[:, 0]
        return edges

    @property
    def unwrapped(self) -> Floats:
        """Positions with the image flags applied, (N, 3) Å."""
        whole: Floats = self.positions + self.images * self.lengths
        return whole

    def set_unwrapped(self, positions: Floats) -> None:
        """Store unwrapped positions (N, 3) Å, wrapped into the box with their image flags."""
        images = np.floor((positions - self.box[:, 0]) / self.lengths)
        # an atom a rounding error below the box would otherwise land on its upper end
        images += positions - images * self.lengths >= self.box[:, 1]
        self.images = images.astype(np.int64)
        self.positions = np.maximum(positions - images * self.lengths, self.box[:, 0])

    def select(self, keep: NDArray[np.bool_]) -> DataFile:
        """Return the atoms where ``keep`` (N,) is true, renumbered in order.

        Raises
        ------
        ValueError
            A bonded term has some of its atoms kept and some removed.
        """
        new_ids = np.where(keep, np.cumsum(keep), 0)
        topology = {}
        for kind, terms in self.topology.items():
            members = keep[terms[:, 1:] - 1]
            whole = members.all(axis=1)
            if (members.any(axis=1) & ~whole).any():
                msg = f"the selection cuts through {kind}: keep or remove molecules as a whole"
                raise ValueError(msg)
            topology[kind] = np.column_stack([terms[whole, :1], new_ids[terms[whole, 1:] - 1]])
        return DataFile(
            box=self.box.copy(),
            masses=self.masses.copy(),
            molecules=self.molecules[keep],
            types=self.types[keep],
            charges=self.charges[keep],
            positions=self.positions[keep],
            images=self.images[keep],
            velocities=None if self.velocities is None else self.velocities[keep],
            topology=topology,
            topology_types=dict(self.topology_types),
        )

    def refuse_outside(self) -> None:
        """Refuse atoms and bonded terms that name a type or an atom that there is not.

        Raises
        ------
        ValueError
            There is such a number; says in which section, and up to which they go.
        """
        _refuse_outside("Atoms", "type", self.types, len(self.masses))
        for kind, terms in self.topology.items():
            _refuse_outside(kind.title(), "type", terms[:, 0], self.topology_types[kind])
            _refuse_outside(kind.title(), "atom", terms[:, 1:], self.natoms)

    # -- reading ---------------------------------------------------------------------------------------

    @classmethod
    def parse(cls, text: str) -> DataFile:
        """Read the text of a data file (``atom_style full``, orthogonal box); atoms are sorted by ID.

        Raises
        ------
        ValueError
            The text is no complete data file of that style; says which section is wrong.
        """
        header, sections = _split(text)
        natoms, ntypes = header.get("atoms", 0), header.get("atom types", 0)
        atoms = _table(sections, "Atoms", int(natoms))
        if atoms.shape[1] not in (7, 10):
            msg = f"Atoms section: {atoms.shape[1]} columns, expected 7 or 10 (atom_style full)"
            raise ValueError(msg)
        order = np.argsort(atoms[:, 0], kind="stable")
        atoms = atoms[order]
        if not np.array_equal(atoms[:, 0], np.arange(1, len(atoms) + 1)):
            msg = "Atoms section: IDs are not 1…N, each once"
            raise ValueError(msg)
        velocities = None
        if "Velocities" in sections:
            table = _table(sections, "Velocities", int(natoms))
            velocities = table[np.argsort(table[:, 0], kind="stable"), 1:4]
        masses = _table(sections, "Masses", int(ntypes))
        return cls(
            box=_box(header),
            masses=masses[np.argsort(masses[:, 0]), 1],
            molecules=atoms[:, 1].astype(np.int64),
            types=atoms[:, 2].astype(np.int64),
            charges=atoms[:, 3],
            positions=atoms[:, 4:7],
            images=(atoms[:, 7:10] if atoms.shape[1] == 10 else np.zeros((len(atoms), 3))).astype(np.int64),
            velocities=velocities,
            topology={
                kind: _table(sections, kind.title(), int(header.get(kind, 0)), atoms_in_term + 2)[:, 1:].astype(
                    np.int64
                )
                for kind, atoms_in_term in TOPOLOGY.items()
            },
            topology_types={kind: int(header.get(f"{kind[:-1]} types", 0)) for kind in TOPOLOGY},
        )

    @classmethod
    def read(cls, path: str | Path) -> DataFile:
        """Read a data file from ``path``; see :meth:`parse`."""
        try:
            return cls.parse(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            msg = f"{path}: {error}"
            raise ValueError(msg) from error

    # -- writing ---------------------------------------------------------------------------------------

    def format(self, title: str = "aiida-cse") -> str:
        """Return the text of the data file; positions and velocities are written to full precision."""
        return "".join(self._blocks(title))

    def write(self, path: str | Path, title: str = "aiida-cse") -> None:
        """Write the data file to ``path``."""
        Path(path).write_text(self.format(title), encoding="utf-8")

    def _blocks(self, title: str) -> Iterator[str]:
        yield f"LAMMPS data file: {title}\n\n{self.natoms} atoms\n{len(self.masses)} atom types\n"
        for kind in TOPOLOGY:
            yield f"{len(self.topology[kind])} {kind}\n{self.topology_types[kind]} {kind[:-1]} types\n"
        for axis, (low, high) in zip("xyz", self.box, strict=True):
            yield f"{low:.17g} {high:.17g} {axis}lo {axis}hi\n"
        yield "\nMasses\n\n" + "".join(f"{i} {mass:.10g}\n" for i, mass in enumerate(self.masses, 1))
        ids = np.arange(1, self.natoms + 1)
        yield _rows(
            "Atoms # full",
            "%d %d %d %.10g %.17g %.17g %.17g %d %d %d",
            (ids, self.molecules, self.types, self.charges, self.positions, self.images),
        )
        if self.velocities is not None:
            yield _rows("Velocities", "%d %.17g %.17g %.17g", (ids, self.velocities))
        for kind, atoms_in_term in TOPOLOGY.items():
            terms = self.topology[kind]
            if len(terms):
                numbers = np.arange(1, len(terms) + 1)
                yield _rows(kind.title(), " ".join(["%d"] * (atoms_in_term + 2)), (numbers, terms))


def _refuse_outside(section: str, what: str, numbers: Integers, most: int) -> None:
    if numbers.size and not (numbers.min() >= 1 and numbers.max() <= most):
        wrong = numbers.max() if numbers.max() > most else numbers.min()
        msg = f"{section} section: {what} {wrong}; there are 1 to {most}"
        raise ValueError(msg)


def _rows(title: str, row_format: str, columns: tuple[NDArray[Any], ...]) -> str:
    buffer = io.StringIO()
    np.savetxt(buffer, np.column_stack(columns), fmt=row_format)
    return f"\n{title}\n\n{buffer.getvalue()}"


def _split(text: str) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Split a data file into its header (keyword -> numbers) and the lines of its sections."""
    header: dict[str, Any] = {}
    sections: dict[str, list[str]] = {}
    lines = sections.setdefault("", [])
    for raw in text.splitlines()[1:]:
        line = raw.split("#", 1)[0].strip()
        if not line:
            continue
        if line[0].isalpha():
            lines = sections.setdefault(line, [])
        elif lines is sections[""]:
            _read_header_line(line, header)
        else:
            lines.append(line)
    return header, sections


def _read_header_line(line: str, header: dict[str, Any]) -> None:
    words = line.split()
    numbers = [word for word in words if not word[0].isalpha()]
    keyword = " ".join(words[len(numbers) :])
    values = [float(number) for number in numbers]
    header[keyword] = values[0] if len(values) == 1 else values


def _box(header: dict[str, Any]) -> Floats:
    try:
        bounds = [header[f"{axis}lo {axis}hi"] for axis in "xyz"]
    except KeyError as error:
        msg = f"header: no line {error}"
        raise ValueError(msg) from error
    if any(header.get("xy xz yz", [0.0])):
        msg = "header: the box is tilted; only orthogonal boxes are supported"
        raise ValueError(msg)
    return np.asarray(bounds, dtype=np.float64)


def _table(sections: dict[str, list[str]], name: str, rows: int, columns: int = 0) -> Floats:
    lines = sections.get(name, [])
    if len(lines) != rows:
        msg = f"{name} section: {len(lines)} lines, the header says {rows}"
        raise ValueError(msg)
    if not rows:
        return np.zeros((0, columns))
    return np.loadtxt(lines, dtype=np.float64, ndmin=2)
