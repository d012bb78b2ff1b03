"""Files that the jobs of a process left on their computers: their sizes, what still needs them, and their removal.

Only folders and stashes whose path ends with the UUID of the job that wrote them are ever touched: a node of an
archive may name any path.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from aiida import orm
from aiida.common import NotExistent
from aiida.common.links import LinkType

from aiida_cse.engine.hints import verdi
from aiida_cse.lammps.job.script import IONS, TRAJECTORY
from aiida_cse.lammps.log.outcome import last_words
from aiida_cse.report.process_tree import Branch, ProcessTree
from aiida_cse.workchains.common.exit_status import ended_normally
from aiida_cse.workchains.restart.lineage import folder_to_continue, path_of

__all__ = ["NEEDS", "Files", "find_files", "free", "measure", "refuse_in_use"]

Place: TypeAlias = orm.RemoteData | orm.RemoteStashData

#: what still needs files, in the order of the display
NEEDS = ("nothing", "reduction", "extend", "stash")

_LAMMPS, _PRODUCTION = "aiida.calculations:cse.lammps", "aiida.workflows:cse.production"
#: kB; a folder with less besides its trajectories is empty otherwise
_EMPTY_KB = 9
#: folders in one command of the shell, and nodes in one query
_CHUNK = 200
#: line that precedes the answer for a folder
_MARK = "CSE-FOLDER"
_TRAJECTORIES = (TRAJECTORY, IONS)
#: prints, for each path, the kB of everything and of its trajectories; `gone` for a path that is not there
_MEASURE = f"""\
for d in "$@"; do
    if [ -e "$d" ]; then
        written=0
        for f in {" ".join(_TRAJECTORIES)}; do
            [ -e "$d/$f" ] && written=$((written + $(du -sk "$d/$f" | cut -f 1)))
        done
        echo "{_MARK} $(du -sk "$d" | cut -f 1) $written"
    else
        echo "{_MARK} gone"
    fi
done
"""


@dataclass
class Files:
    """Files that a job left in its folder, or in a stash of it.

    Attributes
    ----------
    place, job
        The node of the place, and the job that wrote it.
    needs
        What needs all but the trajectory: one of :data:`NEEDS`.
    trajectory_needs
        What needs the trajectories.
    kilobytes, trajectory_kilobytes
        Size of everything and of the trajectories; None before :func:`measure`, and for a place that is gone.
    """

    place: Place
    job: orm.CalcJobNode
    needs: str = "nothing"
    trajectory_needs: str = "nothing"
    kilobytes: int | None = None
    trajectory_kilobytes: int = 0

    @property
    def path(self) -> str:
        """Path of the folder or stash on its computer."""
        return path_of(self.place)

    @property
    def computer(self) -> str:
        """Label of the computer."""
        return "" if self.place.computer is None else str(self.place.computer.label)

    def size(self, need: str) -> int:
        """Return the kilobytes that this need, and no other, keeps."""
        rest = (self.kilobytes or 0) - self.trajectory_kilobytes
        return (rest if self.needs == need else 0) + (
            self.trajectory_kilobytes if self.trajectory_needs == need else 0
        )


def refuse_in_use(process: orm.ProcessNode) -> None:
    """Refuse a process whose files a process that has not ended still needs.

    Raises
    ------
    ValueError
        The process, one that called it, one below it, or one that continues it has not ended; names it.
    """
    above: orm.ProcessNode | None = process
    while above is not None:
        if not above.is_terminated:
            raise ValueError(
                f"{above.process_label} <{above.pk}>: has not ended, and `aiida-cse resume` needs its files; "
                "clean it when it has"
            )
        above = above.caller
    for branch in ProcessTree(process).root.descendants():
        if not branch.ended and not branch.is_function:
            raise ValueError(
                f"{branch.label} <{branch.pk}>: has not ended, although {process.pk} has; end it first with: "
                f"{verdi('process', 'kill', branch.pk)}"
            )


def find_files(process: orm.ProcessNode) -> list[Files]:
    """Return the folders and stashes of the jobs of a process, with what still needs them.

    Places that were freed before, that belong to another job (results from AiiDA's cache), or whose path does not
    end with the UUID of their job are left out.

    Raises
    ------
    ValueError
        A process that has not ended uses a folder; names both.
    """
    root = ProcessTree(process).root
    jobs = [branch for branch in root.descendants() if branch.node_type.startswith("process.calculation.calcjob")]
    in_production = {
        job.pk: production
        for production in root.descendants()
        if production.process_type == _PRODUCTION
        for job in production.descendants()
        if job.process_type == _LAMMPS
    }
    last, unreduced = _last_folders(in_production.values())
    found = []
    for job, place, stashed in _places([job.pk for job in jobs]):
        if not _is_of(job, path_of(place)) or place.base.extras.get(orm.RemoteData.KEY_EXTRA_CLEANED, False):
            continue
        files = Files(place, job)
        if stashed:
            files.needs = files.trajectory_needs = "stash"
        elif (production := in_production.get(job.pk or 0)) is not None:
            files.trajectory_needs = "extend" if production.pk in unreduced else "reduction"
            files.needs = "extend" if place.pk in last else "nothing"
        found.append(files)
    _refuse_used([files.place for files in found])
    return found


def _last_folders(productions: Iterable[Branch]) -> tuple[set[int], set[int]]:
    """Return the PKs of the folders from which productions continue, and of productions that lack a reduction."""
    last: set[int] = set()
    unreduced: set[int] = set()
    for pk in {production.pk for production in productions}:
        node = orm.load_node(pk)
        assert isinstance(node, orm.WorkChainNode)
        folder = folder_to_continue(node)
        if folder is not None and folder.pk is not None:
            last.add(folder.pk)
        if "reduction" not in node.outputs or not ended_normally(node):
            unreduced.add(pk)
    return last, unreduced


def _places(jobs: Sequence[int]) -> Iterator[tuple[orm.CalcJobNode, Place, bool]]:
    """Yield the folders and stashes of jobs, with their job and whether they are a stash."""
    for start in range(0, len(jobs), _CHUNK):
        query = orm.QueryBuilder()
        query.append(
            orm.CalcJobNode, filters={"id": {"in": list(jobs[start : start + _CHUNK])}}, tag="job", project="*"
        )
        query.append(
            orm.Data,
            with_incoming="job",
            edge_filters={"type": LinkType.CREATE.value, "label": {"in": ["remote_folder", "remote_stash"]}},
            project="*",
        )
        for job, place in query.all():
            if isinstance(place, orm.RemoteStashData):
                yield job, place, True
            elif isinstance(place, orm.RemoteData):
                yield job, place, False


def _is_of(job: orm.CalcJobNode, path: Any) -> bool:
    """Return whether a path ends with the UUID of a job, as AiiDA divides it."""
    if not isinstance(path, str) or not path.startswith("/") or ".." in PurePosixPath(path).parts:
        return False
    return PurePosixPath(path).parts[-3:] == (job.uuid[:2], job.uuid[2:4], job.uuid[4:])


def _refuse_used(places: Sequence[Place]) -> None:
    for start in range(0, len(places), _CHUNK):
        query = orm.QueryBuilder()
        query.append(
            orm.Data, filters={"id": {"in": [place.pk for place in places[start : start + _CHUNK]]}}, tag="p"
        )
        query.append(
            orm.ProcessNode,
            with_incoming="p",
            filters={"attributes.process_state": {"!in": ["finished", "excepted", "killed"]}},
        )
        user = query.first(flat=True)
        if user is not None:
            raise ValueError(f"{user.process_label} <{user.pk}>: has not ended and continues from these folders")


# -- on the computers -----------------------------------------------------------------------------------------


@contextmanager
def _connections(files: Iterable[Files]) -> Iterator[list[tuple[Any, list[Files]]]]:
    """Open each computer once; yields its transport with its files.

    Raises
    ------
    ValueError
        A computer is not configured or cannot be reached; names it.
    """
    by_computer: dict[str, list[Files]] = {}
    for one in files:
        by_computer.setdefault(one.computer, []).append(one)
    opened: list[tuple[Any, list[Files]]] = []
    try:
        for label, group in by_computer.items():
            try:
                computer, user = group[0].place.computer, orm.User.collection.get_default()
                transport = orm.AuthInfo.collection.get(dbcomputer=computer, aiidauser=user).get_transport()
                transport.open()
            except NotExistent as error:
                raise ValueError(f"computer {label}: is not configured in this profile") from error
            except Exception as error:
                raise ValueError(f"computer {label}: is not reachable: {last_words([str(error)])}") from error
            opened.append((transport, group))
        yield opened
    finally:
        for transport, _ in opened:
            transport.close()


def _chunks(group: Sequence[Files]) -> Iterator[Sequence[Files]]:
    for start in range(0, len(group), _CHUNK):
        yield group[start : start + _CHUNK]


def measure(files: list[Files]) -> None:
    """Set the sizes of files on their computers; a place that is gone keeps None."""
    with _connections(files) as computers:
        for transport, group in computers:
            for chunk in _chunks(group):
                paths = " ".join(shlex.quote(one.path) for one in chunk)
                _, answer, errors = transport.exec_command_wait(f"sh -c {shlex.quote(_MEASURE)} sh {paths}")
                rows = [line.split()[1:] for line in answer.splitlines() if line.startswith(_MARK)]
                if len(rows) != len(chunk):
                    raise ValueError(f"the sizes of the folders cannot be read: {last_words(errors.splitlines())}")
                for one, row in zip(chunk, rows, strict=True):
                    if row[0].isdecimal():
                        one.kilobytes = int(row[0])
                        one.trajectory_kilobytes = int(row[1])
                        if one.kilobytes - one.trajectory_kilobytes < _EMPTY_KB:
                            one.kilobytes = one.trajectory_kilobytes


def free(files: Iterable[Files], needs: Iterable[str]) -> int:
    """Remove the files that nothing but the given needs keeps; return the kilobytes that were freed.

    A folder that is removed as a whole gets AiiDA's mark of a cleaned folder.

    Raises
    ------
    ValueError
        A file cannot be removed; says what the computer said. What was removed before stays removed.
    """
    given, freed = set(needs), 0
    chosen = [one for one in files if one.kilobytes is not None and {one.needs, one.trajectory_needs} & given]
    with _connections(chosen) as computers:
        for transport, group in computers:
            for chunk in _chunks(group):
                whole = [one for one in chunk if {one.needs, one.trajectory_needs} <= given]
                commands = []
                for one in chunk:
                    path = shlex.quote(one.path)
                    trajectories = " ".join(shlex.quote(f"{one.path}/{name}") for name in _TRAJECTORIES)
                    if one in whole:
                        commands.append(f"rm -rf -- {path}")
                    elif one.trajectory_needs in given:
                        commands.append(f"rm -f -- {trajectories}")
                    else:
                        others = " ".join(f"! -name {shlex.quote(name)}" for name in _TRAJECTORIES)
                        commands.append(f"find {path} -mindepth 1 -maxdepth 1 {others} -exec rm -rf -- {{}} +")
                # a login shell may print warnings of its own, so only the exit status tells
                script = "failed=0; " + "".join(f"{one} || failed=1; " for one in commands) + "exit $failed"
                status, _, errors = transport.exec_command_wait(f"sh -c {shlex.quote(script)}")
                if status != 0:
                    raise ValueError(f"not everything could be removed: {last_words(errors.splitlines())}")
                for one in whole:
                    one.place.base.extras.set(orm.RemoteData.KEY_EXTRA_CLEANED, True)
                freed += sum(one.size(need) for one in chunk for need in given)
    return freed
