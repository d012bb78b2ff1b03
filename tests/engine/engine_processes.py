"""Processes for the tests of the embedded engine; importable by a Python that resumes them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec, ToContext, append_, calcfunction
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida.orm import Int, Str

from aiida_cse.engine.outline import VersionedWorkChain
from aiida_cse.engine.workers import GuardedCalcJob


class MarkCalculation(GuardedCalcJob):
    """A job that appends a line to ``marks`` when it starts, sleeps, and appends another when it ends."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        super().define(spec)
        spec.input("marks", valid_type=Str)
        spec.input("name", valid_type=Str)
        spec.input("seconds", valid_type=Int)
        spec.inputs["metadata"]["options"]["resources"].default = {
            "num_machines": 1,
            "num_mpiprocs_per_machine": 1,
        }

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        marks, name, seconds = (self.inputs[key].value for key in ("marks", "name", "seconds"))
        script = f"echo start {name} >> {marks}; sleep {seconds}; echo end {name} >> {marks}\n"
        Path(folder.get_abs_path("job.sh")).write_text(script)
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.cmdline_params = ["job.sh"]
        info = CalcInfo()
        info.codes_info = [code]
        info.retrieve_list = []
        return info


@calcfunction
def slow_sum(left: Int, right: Int, marks: Str) -> Int:
    """Add, slowly and in Python, so that a signal can arrive in the middle."""
    with Path(marks.value).open("a") as stream:
        stream.write("start function\n")
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        time.sleep(0.05)
    return Int(left + right)


class InnerWorkChain(VersionedWorkChain):
    """One job, and then another."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        super().define(spec)
        spec.expose_inputs(MarkCalculation, exclude=("name", "metadata"))
        spec.input("name", valid_type=Str)
        spec.outline(cls.first, cls.second, cls.end)
        spec.output("total", valid_type=Int)

    def _job(self, suffix: str) -> Any:
        inputs = self.exposed_inputs(MarkCalculation)
        return self.submit(MarkCalculation, **inputs, name=Str(f"{self.inputs.name.value}{suffix}"))

    def first(self) -> ToContext:
        return ToContext(first=self._job("1"))

    def second(self) -> ToContext:
        assert self.ctx.first.is_finished_ok
        return ToContext(second=self._job("2"))

    def end(self) -> None:
        assert self.ctx.second.is_finished_ok
        self.report("both jobs are done")
        self.out("total", slow_sum(Int(1), Int(2), self.inputs.marks))


class OuterWorkChain(VersionedWorkChain):
    """Two inner chains side by side."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        super().define(spec)
        spec.expose_inputs(InnerWorkChain, exclude=("name", "metadata"))
        spec.outline(cls.launch, cls.check)

    def launch(self) -> None:
        inputs = self.exposed_inputs(InnerWorkChain)
        for name in ("a", "b"):
            self.to_context(chains=append_(self.submit(InnerWorkChain, **inputs, name=Str(name))))

    def check(self) -> None:
        assert all(chain.is_finished_ok for chain in self.ctx.chains)


class DyingWorkChain(VersionedWorkChain):
    """The first time it has submitted its job, its Python dies before the step ends."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        super().define(spec)
        spec.expose_inputs(MarkCalculation, exclude=("name", "metadata"))
        spec.outline(cls.submit_and_die, cls.check)

    def submit_and_die(self) -> ToContext:
        job = self.submit(MarkCalculation, **self.exposed_inputs(MarkCalculation), name=Str("a"))
        dead = Path(self.inputs.marks.value).with_name("dead")
        if not dead.exists():
            dead.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return ToContext(job=job)

    def check(self) -> None:
        assert self.ctx.job.is_finished_ok
