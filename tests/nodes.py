"""Nodes as the engine leaves them: jobs with inputs, a remote folder, what was retrieved, and an exit status."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType

from aiida_cse.building.reduction import describe_system
from aiida_cse.data.reduction import CseReductionData
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import AtomType, SlabGeometry, System
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.state import State
from tests.reduction import synthetic
from tests.systems import crystal_and_molecules

LOGS = Path(__file__).parent / "lammps" / "logs"

#: how the synthetic trajectory is sampled
SAMPLING: dict[str, Any] = {
    "timestep_fs": synthetic.TIMESTEP,
    "frame_ps": 0.02,
    "block_ps": 0.2,
    "snapshot_ps": 0.06,
    "bins": 110,
}


def system_node() -> CseSystemData:
    """Return the small system as a stored node."""
    node = CseSystemData(crystal_and_molecules())
    node.store()
    return node


def forged_system(
    data: str | None = None, forcefield: str | None = None, attributes: Mapping[str, Any] | None = None
) -> CseSystemData:
    """Return the small system with other files or attributes, not stored."""
    node = CseSystemData(crystal_and_molecules())
    for name, text in (("system.data", data), ("forcefield.in", forcefield)):
        if text is not None:
            node.base.repository.put_object_from_bytes(text.encode("utf-8", "surrogateescape"), name)
    node.base.attributes.set_many(dict(attributes or {}))
    return node


def imported(node: CseSystemData) -> CseSystemData:
    """Store a node as the import of an archive does, which does not ask the node whether it is valid."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(node), "_validate", lambda _: True)
        node.store()
    return node


def interface() -> System:
    """Return the system of the synthetic trajectory: slab, Li+ and anions of three atoms."""
    config = synthetic.config()
    phases = ("ceramic", "ceramic", "both", "electrolyte", "electrolyte")
    species = ("La", "Zr", "Li", "TFSI", "TFSI")
    types = tuple(
        AtomType.model_validate(
            {"label": label, "element": label, "mass": mass, "charge": charge, "phase": phase, "species": kind}
        )
        for label, mass, charge, phase, kind in zip(
            config.labels, config.masses, (-0.15, -0.2, 0.7, -0.5, -0.1), phases, species, strict=True
        )
    )
    atom_types = np.array(config.atom_types)
    data = DataFile(
        box=np.array([[0.0, 20.0], [0.0, 20.0], [-synthetic.LENGTH / 2, synthetic.LENGTH / 2]]),
        masses=np.array(config.masses),
        molecules=np.array(config.molecules),
        types=atom_types,
        charges=np.array([t.charge for t in types])[atom_types - 1],
        positions=np.zeros((len(atom_types), 3)),
        images=np.zeros((len(atom_types), 3), dtype=np.int64),
    )
    slab = SlabGeometry(
        thickness=2 * synthetic.HALF, framework=("La", "Zr"), midplane_offset=synthetic.OFFSET, lithium=4
    )
    return System.create(data, "# none\n", phase="interface", types=types, slab=slab, seeds={"test": 1})


def state(frames: int = 60) -> State:
    """Return the reduction of a synthetic trajectory of :func:`interface`."""
    config = ReductionConfig.build(describe_system(interface()), Sampling.model_validate(SAMPLING))
    with TemporaryDirectory() as folder:
        path = synthetic.write_dcd(Path(folder) / "trajectory.dcd", synthetic.make(3, frames).positions)
        return reduce_segments([path], config)


def long_state(frames: int = 260, seed: int = 3) -> State:
    """Return the reduction of a synthetic trajectory with one frame, block and snapshot per nanosecond."""
    steps = round(1e6 / synthetic.TIMESTEP)
    sampling: dict[str, Any] = {"block_ps": 1000, "snapshot_ps": 1000, "bins": 520}
    displacements: dict[str, Any] = {"displacement_ps": 1000, "lags_ps": (1000,)}
    config = synthetic.config(frame_steps=steps, **sampling, **displacements)
    with TemporaryDirectory() as folder:
        positions = synthetic.make(seed, frames).positions
        path = synthetic.write_dcd(Path(folder) / "trajectory.dcd", positions, frame_steps=steps)
        return reduce_segments([path], config)


def state_bytes(made: State | None = None) -> bytes:
    """Return the file of a state, by default that of :func:`state`."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "state.npz"
        (state() if made is None else made).save(path)
        return path.read_bytes()


def reduction_node(made: State | None = None) -> CseReductionData:
    """Return the reduction as a stored node, by default of :func:`state`."""
    node = CseReductionData(io.BytesIO(state_bytes(made)))
    node.store()
    return node


def new_job(
    entry_point: str,
    computer: orm.Computer,
    inputs: Mapping[str, orm.Data] | None = None,
    caller: orm.WorkChainNode | None = None,
) -> orm.CalcJobNode:
    """Return a stored job with its inputs, as it is before it runs, or as the cache gives it back."""
    node = orm.CalcJobNode(computer=computer, process_type=f"aiida.calculations:{entry_point}")
    node.set_option("resources", {"num_machines": 1, "num_mpiprocs_per_machine": 1})
    node.set_option("output_filename", "job.out")
    for label, value in (inputs or {}).items():
        node.base.links.add_incoming(value.store(), LinkType.INPUT_CALC, label)
    if caller is not None:
        node.base.links.add_incoming(caller, LinkType.CALL_CALC, "job")
    node.store()
    return node


def job_node(
    entry_point: str,
    computer: orm.Computer,
    inputs: Mapping[str, orm.Data] | None = None,
    *,
    retrieved: Mapping[str, str | bytes] | None = None,
    outputs: Mapping[str, orm.Data] | None = None,
    exit_status: int | None = None,
    exit_message: str | None = None,
    folder: str = "/scratch/job",
    caller: orm.WorkChainNode | None = None,
) -> orm.CalcJobNode:
    """Return a stored job with its links; with an exit status it is finished."""
    node = new_job(entry_point, computer, inputs, caller)
    files = orm.FolderData()
    for name, content in (retrieved or {}).items():
        files.base.repository.put_object_from_bytes(
            content.encode() if isinstance(content, str) else content, name
        )
    remote = orm.RemoteData(computer=computer, remote_path=folder)
    for label, made in ({"retrieved": files, "remote_folder": remote} | dict(outputs or {})).items():
        made.base.links.add_incoming(node, LinkType.CREATE, label)
        made.store()
    finish(node, exit_status, exit_message)
    return node


def finish(node: orm.ProcessNode, status: int | None, message: str | None = None) -> None:
    """Set the exit status of a process, as the engine does at its end."""
    if status is not None:
        node.set_exit_status(status)
        node.set_exit_message(message)
        node.set_process_state("finished")


def log(name: str) -> bytes:
    """Return a stored log of LAMMPS."""
    return (LOGS / f"{name}.log").read_bytes()


def run_node(
    entry_point: str,
    outputs: Mapping[str, orm.Data] | None = None,
    *,
    inputs: Mapping[str, orm.Data] | None = None,
    exit_status: int | None = 0,
    exit_message: str | None = None,
) -> orm.WorkChainNode:
    """Return a stored WorkChain with its inputs and outputs; one that is ``a.b`` lies in the namespace ``a``."""
    node = orm.WorkChainNode(process_type=f"aiida.workflows:{entry_point}")
    for label, value in (inputs or {}).items():
        node.base.links.add_incoming(value.store(), LinkType.INPUT_WORK, label.replace(".", "__"))
    node.store()
    returns(node, outputs or {})
    finish(node, exit_status, exit_message)
    return node


def returns(node: orm.WorkChainNode, outputs: Mapping[str, orm.Data]) -> None:
    """Give a WorkChain outputs."""
    for label, value in outputs.items():
        value.store()
        value.base.links.add_incoming(node, LinkType.RETURN, label.replace(".", "__"))
