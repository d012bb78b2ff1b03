"""Settings of an analysis: values by temperature, ranges, and stored criteria of earlier versions."""

from typing import Any

import pytest
from pydantic import ValidationError

from aiida_cse.analysis.settings import AnalysisSettings, single, with_complete_criteria
from aiida_cse.schema import explain


def test_settings_at_a_temperature_have_one_value() -> None:
    given = {"minimum_excess": [[600, 42], [700, 44]], "condition_last_ns": [[600.2, 300]], "last_ns": 380}
    settings = AnalysisSettings.model_validate(given)
    found = [settings.at(kelvin) for kelvin in (599.8, 700, 500)]
    assert [single(one.minimum_excess) for one in found] == [42, 44, None]
    assert [single(one.condition_last_ns) for one in found] == [300, None, None]
    assert [single(one.last_ns) for one in found] == [380, 380, 380]
    assert AnalysisSettings.model_validate(settings.model_dump(mode="json")) == settings
    with pytest.raises(ValueError, match="take the settings at one temperature"):
        single(settings.minimum_excess)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"minimum_excess": [[600, 42], [600.3, 41]]},
            "minimum_excess = 600, 600: each temperature may occur once",
        ),
        ({"minimum_excess": [[600, 42.5]]}, "minimum_excess.pairs.0.1 = 42.5: must be a valid integer"),
        ({"condition_last_ns": [600, 300]}, "condition_last_ns.pairs.0 = 600: must be a list"),
        ({"last_ns": 0}, "last_ns.value = 0: must be greater than 0"),
        (
            {"displacement_ns": {"anion": [400, 300]}},
            "displacement_ns.anion = 400, 300: the first time must be below",
        ),
        ({"displacement_ns": {"TFSI": 300}}, "displacement_ns: unknown key 'TFSI'"),
    ],
)
def test_wrong_ranges_and_pairs_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AnalysisSettings.model_validate(settings)
    assert message in explain(caught.value)


def test_stored_verdicts_get_the_defaults_of_newer_criteria() -> None:
    criteria = AnalysisSettings().model_dump(mode="json")
    newer = ("last_ns", "condition_last_ns", "displacement_ns")
    stored = {"equilibrated": True, "criteria": {key: criteria[key] for key in criteria if key not in newer}}
    assert with_complete_criteria([stored]) == [{"equilibrated": True, "criteria": criteria}]
