"""Every script of the protocol `paper` goes through LAMMPS, at the size of the demo."""

import re

import pytest

from aiida_cse.lammps.protocol.stage import JobPlan
from benchmarks.dry_runs import dry_script, main

NVT = {"name": "heat", "kind": "nvt", "duration_ps": 1, "temperature": 300}
MINIMIZE = {"name": "minimize", "kind": "minimize"}


def test_nothing_but_runs_and_minimisations_is_emptied() -> None:
    plan = JobPlan.model_validate({"stages": [MINIMIZE, NVT]})
    text = dry_script(plan)
    assert re.findall(r"^(?:run|minimize) .*$", text, re.M) == ["minimize 0 0 0 0", "run 0 post no"]
    assert "fix stage_heat moving nvt temp 300 300 100" in text


def test_a_protocol_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="protocol 'papr' of StudyWorkChain is not known: did you mean 'paper'"):
        main(["--quick", "--protocol", "papr"])


@pytest.mark.integration
@pytest.mark.parametrize(
    ("skipped", "larsen"),
    [(r"larsen_(?!01|02|03|21)", 4), pytest.param("none", 21, marks=pytest.mark.long)],
)
def test_each_script_of_the_published_protocol_comes_through(
    skipped: str, larsen: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--quick", "--skip", skipped]) == 0
    printed = capsys.readouterr().out
    assert f"{25 + 2 * larsen} scripts (minimize, npt, nvt, pushoff) through LAMMPS, 0 failed" in printed
    lines = printed.splitlines()
    assert sum("larsen_" in line for line in lines) == 2 * larsen, "alone and on the held ceramic"
    assert all("ewald 0.0001" in line for line in lines[2:-1])
