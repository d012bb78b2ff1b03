"""The 21 steps against the table of Larsen et al., Macromolecules 2011, 44, 6944."""

from typing import Any

import pytest

from aiida_cse.lammps.protocol.larsen import LARSEN, expand_larsen

SCHEME: dict[str, Any] = {
    "schedule": LARSEN,
    "max_temperature": 600,
    "final_temperature": 300,
    "max_pressure": 50_000,
}

#: ensemble, temperature in K, pressure in atm, duration in ps
TABLE = [
    ("nvt", 600, None, 50),
    ("nvt", 300, None, 50),
    ("npt", 300, 1000, 50),
    ("nvt", 600, None, 50),
    ("nvt", 300, None, 100),
    ("npt", 300, 30_000, 50),
    ("nvt", 600, None, 50),
    ("nvt", 300, None, 100),
    ("npt", 300, 50_000, 50),
    ("nvt", 600, None, 50),
    ("nvt", 300, None, 100),
    ("npt", 300, 25_000, 5),
    ("nvt", 600, None, 5),
    ("nvt", 300, None, 10),
    ("npt", 300, 5000, 5),
    ("nvt", 600, None, 5),
    ("nvt", 300, None, 10),
    ("npt", 300, 500, 5),
    ("nvt", 600, None, 5),
    ("nvt", 300, None, 10),
    ("npt", 300, 1, 800),
]


def test_the_21_steps_are_those_of_the_table() -> None:
    stages = expand_larsen(SCHEME)
    assert [(s.kind, s.temperature, s.pressure, s.duration_ps) for s in stages] == TABLE
    assert [s.name for s in stages] == [f"larsen_{number:02d}" for number in range(1, 22)]
    assert {s.barostat for s in stages if s.kind == "npt"} == {"z"}
    assert sum(s.duration_ps or 0 for s in stages) == 1560


def test_the_highest_pressure_is_that_of_the_source_by_default() -> None:
    stages = expand_larsen({key: value for key, value in SCHEME.items() if key != "max_pressure"})
    highest = max(float(str(s.pressure)) for s in stages if s.pressure is not None)
    assert highest == pytest.approx(50_000 / 1.01325, rel=1e-5), "50 kbar in atm"


def test_scaled_durations_have_a_minimum_and_the_last_one_its_own_value() -> None:
    stages = expand_larsen(SCHEME | {"time_scale": 0.01, "shortest_ps": 0.2, "last_ps": 3})
    assert [s.duration_ps for s in stages] == [
        3 if number == 21 else max(duration * 0.01, 0.2) for number, (*_, duration) in enumerate(TABLE, 1)
    ]


def test_shared_fields_reach_every_stage_and_the_final_pressure_is_a_minimum() -> None:
    stages = expand_larsen(
        SCHEME | {"stage": {"mobile": "electrolyte", "barostat_fs": 300}, "final_pressure": 2000}
    )
    assert {(s.mobile, s.barostat_fs) for s in stages} == {("electrolyte", 300)}
    assert stages[2].pressure == stages[-1].pressure == 2000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_temperature": -1}, "schedule 'larsen-2011': max_temperature = -1"),
        ({"max_temperatur": 600}, "unknown key 'max_temperatur'; did you mean 'max_temperature'?"),
        ({"max_pressure": 0}, "max_pressure = 0"),
        ({"time_scale": float("inf")}, "time_scale = inf"),
        ({"stage": {"timestep_fs": 9}}, "timestep_fs = 9"),
        ({"stage": {"timestep": 1}}, "unknown key 'timestep'; did you mean 'timestep_fs'?"),
        (
            {"stage": {"barostat": "iso"}},
            "barostat (z, xy-z, x-y-z, iso) belongs to an npt stage",
        ),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="schedule 'larsen-2011'") as caught:
        expand_larsen(SCHEME | change)
    assert message in str(caught.value)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ValueError, match="final_temperature: is missing"):
        expand_larsen({key: value for key, value in SCHEME.items() if key != "final_temperature"})
