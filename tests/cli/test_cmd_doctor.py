"""``aiida-cse doctor``: what it prints of stored examinations, versions and other computers."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from aiida.manage.configuration.profile import Profile
from aiida.orm import Computer, InstalledCode
from click.testing import CliRunner, Result

from aiida_cse.cli import main
from aiida_cse.cli.site.checks import site_checks
from tests.workchains.test_examine import stored_examination

# AiiDA makes nodes outside of the database's session until they are stored
pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


@pytest.fixture
def elsewhere(aiida_profile: object) -> Iterator[InstalledCode]:
    """A LAMMPS on a cluster, which is never connected to."""
    computer = Computer(
        label="cluster", hostname="x", transport_type="core.local", scheduler_type="core.slurm", workdir="/x"
    )
    computer.store().configure()
    computer.set_mpirun_command(["srun"])
    plugin = {"default_calc_job_plugin": "cse.lammps", "label": "lmp"}
    code = InstalledCode(computer=computer, filepath_executable="/bin/sh", **plugin).store()
    yield code
    code.is_hidden = True
    computer.label = f"cluster-{computer.pk}"
    computer.store()


def doctor(*words: object) -> Result:
    return CliRunner().invoke(main, ["doctor", *map(str, words)])


def lines(result: Result) -> list[str]:
    assert all(len(line) <= 80 for line in result.output.splitlines())
    return [line.rstrip() for line in result.output.splitlines()]


def test_a_fault_is_told_with_its_remedy_and_fails_the_command(elsewhere: InstalledCode) -> None:
    dcd = {"command": "dump", "style": "dcd", "package": "EXTRA-DUMP", "uses": ["study"]}
    stored_examination(
        elsewhere,
        missing=[dcd],
        lammps_version="2 Aug 2023",
        ranks_error="no second one",
        accelerators=["omp"],
        packages=["OPENMP", "GPU"],
        accelerator_errors={"gpu": "ERROR: no device", "intel": "ERROR: not installed"},
    )
    result = doctor(elsewhere.full_label)
    assert result.exit_code == 1
    assert lines(result) == [
        "LAMMPS lmp@cluster: 2 Aug 2023",
        "  ✗ dump dcd is missing",
        "    → build LAMMPS with the package EXTRA-DUMP: -D PKG_EXTRA-DUMP=yes",
        "  ✗ 2 MPI ranks: no second one",
        "    → correct the mpirun command of the computer, or use one rank per job",
        "  – accelerators that run: omp; gpu does not run here (ERROR: no device)",
        "2 lines are marked ✗",
    ]


def test_a_launch_refuses_what_the_doctor_marks(localhost: Computer, cse: InstalledCode) -> None:
    code = InstalledCode(
        computer=localhost, filepath_executable="/bin/sh", default_calc_job_plugin="cse.lammps", label="faulty"
    ).store()
    stored_examination(code, failed=[{"run": "stages", "uses": "study", "error": "ERROR: Illegal fix"}])
    words = ("study", "--recipe", "llzo-peo-litfsi-demo", "--protocol", "demo", "--lammps", code.uuid)
    result = CliRunner().invoke(main, ["launch", *words])
    code.is_hidden = True
    assert result.exit_code == 2, result.output
    line = "✗ codes.lammps = faulty@localhost: the run 'stages' of a few steps fails: ERROR: Illegal fix; "
    assert line in " ".join(result.output.split())
    assert result.output.endswith("Error: nothing was started, for the reasons marked ✗\n")


def test_what_only_a_validation_needs_is_no_fault(elsewhere: InstalledCode) -> None:
    table = {"command": "fix", "style": "wall/table", "package": "EXTRA-FIX", "uses": ["validation"]}
    stored_examination(elsewhere, missing=[table])
    result = doctor(elsewhere.pk)
    assert result.exit_code == 0, result.output
    assert "  ✓ every style and command of the protocols runs" in lines(result)
    assert "  – fix wall/table is missing, which only aiida-cse validate needs" in lines(result)
    assert result.output.endswith("nothing is wrong\n")


def test_codes_that_are_not_named_are_not_run_elsewhere(
    elsewhere: InstalledCode, lmp: InstalledCode, cse: InstalledCode
) -> None:
    stored_examination(lmp)
    result = doctor()
    said = lines(result)
    assert said[said.index("LAMMPS lmp@cluster") + 1] == "  – not examined"
    assert said[said.index("LAMMPS lmp@cluster") + 2].endswith("aiida-cse doctor lmp@cluster")
    assert said[said.index("aiida-cse cse@localhost") + 1].startswith("  ✓ version ")
    assert any(line.startswith("  ✓ ") and line.endswith(" nodes; it can be written") for line in said)


def test_a_program_that_is_not_aiida_cse_is_a_fault(localhost: Computer, tmp_path: Path) -> None:
    program = tmp_path / "aiida-cse"
    program.write_text("#!/bin/sh\necho no module named aiida_cse >&2\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    code = InstalledCode(
        computer=localhost, filepath_executable=str(program), default_calc_job_plugin="cse.build", label="broken"
    ).store()
    result = doctor(code.uuid)
    code.is_hidden = True
    assert result.exit_code == 1
    assert "it does not say its version: no module named aiida_cse" in result.output


def test_an_unknown_code_is_refused_by_name(aiida_profile: object) -> None:
    result = doctor("nothing@nowhere")
    assert result.exit_code == 2
    assert "Error: CODE = 'nothing@nowhere': " in result.output


def test_calculations_that_are_not_installed_are_a_fault(
    aiida_profile: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "aiida_cse.cli.site.checks.entry_points",
        lambda group: [entry for entry in entry_points(group=group) if entry.name != "cse.barrier"],
    )
    (found,) = [check for section in site_checks() for check in section.checks if "registered" in check.words]
    assert found.is_wrong
    assert found.words.startswith("cse.barrier is not registered: ")
    assert "make install" in str(found.remedy)


@pytest.mark.parametrize(
    ("used", "wrong", "words", "remedy"),
    [
        (4, False, "daemon: 1 worker, 4 of 10 slots in use", ""),
        (38, True, "38 processes want a slot, and the daemon has 10; ", "verdi daemon incr 3"),
    ],
)
def test_slots_of_the_daemon_are_told_and_too_few_are_a_fault(
    used: int, wrong: bool, words: str, remedy: str, aiida_profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(aiida_profile), "process_control_backend", "core.zeromq")
    for module in ("aiida_cse.engine.daemon", "aiida_cse.cli.site.checks"):
        monkeypatch.setattr(f"{module}.worker_slots", lambda: (1, 10))
        monkeypatch.setattr(f"{module}.slots_in_use", lambda: used)
    monkeypatch.setattr("aiida_cse.cli.site.checks.daemon_hint", lambda: None)
    (found,) = [check for section in site_checks() for check in section.checks if "slot" in check.words]
    assert found.is_wrong is wrong
    assert found.words.startswith(words)
    assert str(found.remedy or "").endswith(remedy)
    if wrong:
        assert str(found.remedy).startswith("add 3 workers with: ")


def test_a_full_disk_is_a_fault(aiida_profile: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiida_cse.cli.site.checks.LEAST_GB", 1e9)
    *_, disk = site_checks()
    assert all(check.is_wrong for check in disk.checks)
    assert "free some, or use another disk" in str(disk.checks[0].remedy)
