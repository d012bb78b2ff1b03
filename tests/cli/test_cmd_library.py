"""``aiida-cse protocol``: what is shipped, with units and sources, without a profile."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from aiida_cse.cli import main
from aiida_cse.workchains.common.protocol_values import PARTS, protocol_values, sources


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), env={"COLUMNS": "80"})


def found(*arguments: object) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.output.splitlines())) <= 80 or "--format" in arguments
    return result.output


# -- protocol ------------------------------------------------------------------------------------------------


def test_protocols_are_listed_with_the_default_ones() -> None:
    output = found("protocol", "list")
    assert "\nmoderate  The published sequence with pppm" in output
    assert output.count("default") == 2
    assert "of aiida-cse validate" in output


def test_a_value_is_shown_with_unit_and_source() -> None:
    lines = found("protocol", "show", "paper", "--part", "production").splitlines()
    assert ["length_ps", "580,000", "ps", "published"] in [line.split() for line in lines]
    assert "segment_ps 10,000 ps here" in [" ".join(line.split()) for line in lines]
    records = json.loads(found("protocol", "show", "fast", "--part", "analysis", "--format", "json"))
    assert {"part": "analysis", "key": "settings.start_ns", "value": 4, "unit": "ns", "source": "here"} in records


def test_a_stage_is_one_row_with_the_sources_of_its_fields() -> None:
    output = " ".join(found("protocol", "show", "paper", "--part", "ceramic").split())
    assert "minimize minimize, max_iterations 1,000 published: kind ramp nvt, timestep_fs 2, " in output


def test_differences_have_both_values_and_stages_of_one_protocol_alone() -> None:
    rows = found("protocol", "diff", "moderate", "fast", "--format", "csv").splitlines()
    assert rows[0] == "key,moderate,fast,unit"
    assert "production.plan.length_ps,580000,20000,ps" in rows
    output = " ".join(found("protocol", "diff", "paper", "demo", "--part", "interface").split())
    assert "polymer – npt, timestep_fs 2" in output
    assert "fast and fast do not differ in ceramic" in found(
        "protocol", "diff", "fast", "fast", "--part", "ceramic"
    )


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("show", "papr"), "NAME = papr: there is no such protocol; did you mean 'paper'?"),
        (("diff", "paper", "x"), "SECOND = x: there is no such protocol; known: "),
        (("show", "quick", "--part", "ceramic"), "NAME = quick: has no part ceramic; it has validate"),
    ],
)
def test_unknown_protocols_and_parts_are_refused(words: tuple[str, ...], answer: str) -> None:
    result = invoke("protocol", *words)
    assert result.exit_code == 2
    assert answer in result.output


def test_every_listed_source_belongs_to_a_value_of_the_paper() -> None:
    from aiida_cse.workchains.common.protocol_values import _told

    for part, groups in _told()["values"].items():
        assert part in PARTS
        places = [one.place for one in protocol_values("paper", part)]
        for group, fields in groups.items():
            below = [place for place in places if (group in place[:-1] if group else len(place) == 1)]
            assert below, f"{part}.{group}"
            assert set(fields.values()) <= set(sources())
            named = {key for place in below for key in place}
            assert {*fields} - {"others"} <= named, f"{part}.{group}"
