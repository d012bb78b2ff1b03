"""The internals of aiida-core and plumpy that the package relies on, listed once and checked by name.

A new aiida-core that changes one of them fails here under its name. ``aiida_cse/engine`` and the UUID of the
force-field node are the only places that may touch them; the last tests read the source of the package.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import plumpy
import pytest
from aiida.common.links import LinkType
from aiida.orm import CalcFunctionNode, CalcJobNode, Data, Int, Node, ProcessNode, WorkChainNode

import aiida_cse

PACKAGE = Path(aiida_cse.__file__).parent
#: the places that may touch internals
PLACES = ("engine/", "data/forcefield.py")

#: what is called, and with which parameters
CALLED = {
    "aiida.engine:Runner.__init__": ("poll_interval", "loop", "communicator", "persister"),
    "aiida.engine:Runner.instantiate_process": ("process", "inputs"),
    "aiida.engine:Runner.run_until_complete": ("future",),
    "aiida.engine:Runner.close": (),
    "aiida.engine:Runner._poll_process": ("node", "callback"),
    "aiida.engine:Process.on_except": ("exc_info",),
    "aiida.engine:Runner.submit": ("process", "inputs", "kwargs"),
    "aiida.engine:Process.step_until_terminated": (),
    "aiida.engine:Process.play": (),
    "aiida.engine:Process.pause": ("msg_text",),
    "aiida.engine:Process.on_create": (),
    "aiida.engine:WorkChain.load_instance_state": ("saved_state", "load_context"),
    "aiida.engine:WorkChain.save_instance_state": ("out_state", "save_context"),
    "aiida.engine:AiiDAPersister.load_checkpoint": ("pid",),
    "aiida.engine:DaemonClient.get_daemon_pid": (),
    "aiida.engine:AiiDAPersister.save_checkpoint": ("process", "tag"),
    "aiida.engine:Process.load_instance_state": ("saved_state", "load_context"),
    "aiida.engine.utils:exponential_backoff_retry": (
        *("fct", "initial_interval", "max_attempts", "logger"),
        "ignore_exceptions",
    ),
    "aiida.engine.utils:ensure_coroutine": ("fct",),
    "aiida.engine.processes.launcher:ProcessLauncher._continue": ("communicator", "pid", "nowait", "tag"),
    "aiida.engine.processes.launcher:ProcessLauncher.handle_continue_exception": ("node", "exception", "message"),
    "aiida.engine.processes.calcjobs.manager:JobsList._get_next_update_delay": (),
    "aiida.engine.transports:TransportQueue.request_transport": ("authinfo",),
    "aiida.engine.daemon.execmanager:kill_calculation": ("calculation", "transport"),
    "aiida.engine.processes.control:pause_processes": ("processes", "msg_text", "timeout"),
    "aiida.engine.processes.control:play_processes": ("processes", "timeout"),
    "aiida.brokers:ZeromqBroker.probe_service_status": (),
    "aiida.storage.psql_dos.backend:PsqlDosBackend.get_session": (),
    "aiida.storage.sqlite_zip.backend:SqliteZipBackend.get_session": (),
    "aiida.manage.configuration:create_profile": ("config", "name", "email", "storage_backend", "storage_config"),
    "aiida.manage.configuration:get_config_option": ("option_name",),
    "aiida.manage:Profile.set_process_controller": ("name", "config"),
    "aiida.orm:CalcJobNode.get_job_id": (),
    "aiida.orm:CalcJobNode.get_authinfo": (),
    "aiida.orm:ProcessNode.delete_checkpoint": (),
    "aiida.orm:ProcessNode.set_process_state": ("state",),
    "aiida.orm:ProcessNode.set_process_status": ("status",),
    "aiida.orm:ProcessNode.set_exception": ("exception",),
    "aiida.orm:ProcessNode.seal": (),
    "aiida.schedulers.plugins.bash:BashCliScheduler.submit_job": ("working_directory", "filename"),
    "aiida.schedulers.plugins.bash:BashCliScheduler._get_submit_command": ("submit_script",),
    "aiida.schedulers.plugins.bash:BashCliScheduler._parse_submit_output": ("retval", "stdout", "stderr"),
    "plumpy.persistence:Bundle.unbundle": ("load_context",),
    "plumpy.persistence:LoadSaveContext.__init__": ("loader", "kwargs"),
}
PROPERTIES = (
    "aiida.engine:Runner.loop",
    "aiida.engine:Runner.persister",
    "aiida.engine:Runner.is_daemon_runner",
    "aiida.engine:Process.paused",
    "aiida.engine:Process.pid",
    "aiida.engine:Process.state",
    "aiida.engine:Process.node",
    "aiida.orm:Data.backend_entity",
    "aiida.orm:ProcessNode.checkpoint",
    "aiida.storage.psql_dos.orm.entities:SqlaModelEntity.bare_model",
    "aiida.storage.psql_dos.orm.querybuilder.main:SqlaQueryBuilder.Link",
    "aiida.storage.psql_dos.orm.querybuilder.main:SqlaQueryBuilder.Node",
    "aiida.storage.sqlite_zip.orm:SqliteQueryBuilder.Link",
    "aiida.storage.sqlite_zip.orm:SqliteQueryBuilder.Node",
)


def named(name: str) -> Any:
    """Return what ``module:attribute.attribute`` names."""
    module, _, path = name.partition(":")
    found = importlib.import_module(module)
    for attribute in path.split("."):
        found = getattr(found, attribute)
    return found


@pytest.mark.parametrize("name", CALLED)
def test_a_called_internal_takes_the_parameters_that_are_passed(name: str) -> None:
    parameters = inspect.signature(named(name)).parameters
    assert set(CALLED[name]) <= set(parameters)
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    fixed = [one for one in parameters.values() if one.kind not in variable]
    required = {one.name for one in fixed if one.default is inspect.Parameter.empty}
    assert required <= {"self", *CALLED[name]}


@pytest.mark.parametrize("name", PROPERTIES)
def test_an_internal_property_exists(name: str) -> None:
    assert isinstance(named(name), property)


def test_stepping_is_a_coroutine() -> None:
    assert inspect.iscoroutinefunction(named("aiida.engine:Process.step_until_terminated"))


def test_only_process_functions_ask_for_a_daemon_runner() -> None:
    package = Path(importlib.import_module("aiida").__file__ or "").parent
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "is_daemon_runner" in path.read_text(encoding="utf-8")
    }
    assert users == {"engine/processes/functions.py", "engine/runners.py"}


def test_a_workchain_stores_its_awaited_children_in_its_checkpoint() -> None:
    from aiida.engine import Awaitable, WorkChain

    assert "_awaitables" in (plumpy.persistence.auto_persist()(WorkChain)._auto_persist or ())
    assert Awaitable(pk=7, action=None, target=None, outputs=False).pk == 7


def test_a_checkpoint_holds_the_node_and_the_place_in_the_outline() -> None:
    from aiida.engine import Process, WorkChain

    assert Process.SaveKeys.CALC_ID.value == "calc_id"
    assert "out_state[self._STEPPER_STATE] = " in inspect.getsource(WorkChain.save_instance_state)
    assert "saved_state.get(self._STEPPER_STATE, None)" in inspect.getsource(WorkChain.load_instance_state)


def test_the_next_poll_of_a_scheduler_waits_in_a_handle() -> None:
    from aiida.engine.processes.calcjobs import manager

    assert "self._job_lists" in inspect.getsource(manager.JobManager)
    assert "self._update_handle = self._loop.call_later(" in inspect.getsource(manager.JobsList)


def test_a_checkpoint_that_cannot_be_loaded_raises_what_is_caught() -> None:
    from aiida.engine import AiiDAPersister
    from plumpy.exceptions import PersistenceError

    assert issubclass(PersistenceError, Exception)
    assert plumpy.PersistenceError is PersistenceError
    assert "PersistenceError" in inspect.getsource(AiiDAPersister.load_checkpoint)


def test_the_status_of_the_broker_has_the_keys_that_are_read() -> None:
    from aiida.brokers.zeromq import broker, server, service

    assert "status['connected'] = connected" in inspect.getsource(broker.ZeromqBroker.probe_service_status)
    assert "'task_subscribers': len(self._task_subscribers)" in inspect.getsource(server)
    assert "status['timestamp'] = time.time()" in inspect.getsource(service)


def test_the_terminal_handler_of_the_commands_is_a_logging_handler() -> None:
    from aiida.cmdline.utils.log import CliHandler

    assert issubclass(CliHandler, logging.Handler)


def test_a_job_stores_the_names_of_its_scripts() -> None:
    from aiida.engine import CalcJob

    options = CalcJob.spec().inputs["metadata"]["options"]
    assert options["submit_script_filename"].default == "_aiidasubmit.sh"
    assert options["scheduler_stdout"].default == "_scheduler-stdout.txt"


@pytest.mark.usefixtures("aiida_profile")
def test_the_uuid_of_an_unstored_node_can_be_set() -> None:
    chosen = "12345678-1234-5678-1234-567812345678"
    node = Data()
    model: Any = node.backend_entity
    model.bare_model.uuid = chosen
    assert node.store().uuid == chosen


@pytest.mark.usefixtures("aiida_profile")
def test_a_process_node_is_sealed_once_and_logs_reports() -> None:
    node = WorkChainNode().store()
    assert isinstance(node, ProcessNode)
    assert node.checkpoint is None
    node.delete_checkpoint()
    node.logger.report("a report")
    node.seal()
    assert node.is_sealed
    assert CalcJobNode().get_job_id() is None


# -- the source of the package -------------------------------------------------------------------------------

#: modules of the third level that AiiDA's documentation tells plugins to import
DOCUMENTED = (
    "aiida.cmdline.groups",
    "aiida.cmdline.params",
    "aiida.cmdline.utils",
    "aiida.common.datastructures",
    "aiida.common.exceptions",
    "aiida.common.folders",
    "aiida.common.links",
    "aiida.manage.configuration",
    "aiida.schedulers.datastructures",
)
#: attributes without underscore that are internal all the same
INTERNAL = {
    "backend_entity",
    "bare_model",
    "delete_checkpoint",
    "persister",
    "set_job_id",
    "step_until_terminated",
}
#: methods of aiida-core's classes that a subclass calls or overrides
HOOKS = {
    "aiida.engine:BaseRestartWorkChain._attach_outputs": ("self", "node"),
    "aiida.engine:BaseRestartWorkChain._process_class": None,
    "aiida.orm:Data._validate": ("self",),
}
_NAMED_TUPLE = {"_fields", "_replace", "_asdict"}


@cache
def sources() -> dict[str, ast.Module]:
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


@cache
def own_names() -> set[str]:
    """Return the underscored names that the package itself defines."""
    found = _NAMED_TUPLE | {name.rpartition(".")[2] for name in HOOKS}
    for node in (node for tree in sources().values() for node in ast.walk(tree)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            found.add(node.id if isinstance(node, ast.Name) else node.attr)
    return found


def touches(tree: ast.Module, own: set[str]) -> Iterator[str]:
    """Yield the internals of aiida-core and plumpy that a module touches."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"from {node.module} import" for _ in [0] if _is_internal(node.module or ""))
        elif isinstance(node, ast.Import):
            yield from (f"import {alias.name}" for alias in node.names if _is_internal(alias.name))
        elif isinstance(node, ast.Attribute):
            private = node.attr.startswith("_") and not node.attr.startswith("__") and node.attr not in own
            if private or node.attr in INTERNAL:
                yield ast.unparse(node)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("getattr", "setattr")
        ):
            name = node.args[1]
            if isinstance(name, ast.Constant) and str(name.value).startswith("_") and name.value not in own:
                yield ast.unparse(node)


def _is_internal(module: str) -> bool:
    parts = module.split(".")
    if parts[0] in ("plumpy", "kiwipy"):
        return True
    return parts[0] == "aiida" and len(parts) > 2 and ".".join(parts[:3]) not in DOCUMENTED


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_of_a_base_class_exists(name: str) -> None:
    found, parameters = named(name), HOOKS[name]
    assert parameters is None or tuple(inspect.signature(found).parameters) == parameters


def test_internals_are_touched_in_the_listed_places_only() -> None:
    own = own_names()
    found = [
        f"{path}: {touch}"
        for path, tree in sources().items()
        if not path.startswith(PLACES)
        for touch in touches(tree, own)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "from plumpy import Process",
        "import plumpy.persistence",
        "from aiida.engine.runners import Runner",
        "from aiida.orm.implementation import BackendNode",
        "builder._inputs(prune=True)",
        "getattr(process, '_awaitables', [])",
        "node.backend_entity.bare_model",
    ],
)
def test_a_touch_elsewhere_is_found(line: str) -> None:
    assert list(touches(ast.parse(line), own_names()))


@pytest.mark.parametrize("line", ["from aiida.common.exceptions import NotExistent", "row._fields", "self.node"])
def test_public_names_are_no_touch(line: str) -> None:
    assert not list(touches(ast.parse(line), own_names()))


@pytest.mark.parametrize("kind", [(), LinkType.CREATE, (LinkType.INPUT_CALC, LinkType.CREATE)])
def test_the_links_that_the_tests_read_are_those_of_aiida(aiida_profile: object, kind: Any) -> None:
    """All of them but those of one class, label or of another storage, which AiiDA's own query still reads."""
    node = CalcFunctionNode()
    for label in "ba":
        node.base.links.add_incoming(Int(1).store(), LinkType.INPUT_CALC, label)
    node.store()
    for label in "dc":
        result = Int(2)
        result.base.links.add_incoming(node, LinkType.CREATE, label)
        result.store()
    for direction in ("incoming", "outgoing"):
        given = node.base.links.get_stored_link_triples(link_type=kind, link_direction=direction)
        queried = node.base.links.get_stored_link_triples(Node, kind, link_direction=direction)
        assert given == queried
        assert len(given) == (0 if kind is LinkType.CREATE and direction == "incoming" else 2)
