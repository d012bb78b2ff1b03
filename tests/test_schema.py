"""Refusals: the field, its value, what would be right, and the nearest known key."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, ValidationError, model_validator

from aiida_cse.schema import Name, Number, StrictModel, explain, located, nearest


class Inner(StrictModel):
    size: int = Field(gt=0)
    name: Name = "a"


class Outer(StrictModel):
    length: Number
    parts: tuple[Inner, ...] = Field(default=(Inner(size=1),), min_length=1)

    @model_validator(mode="after")
    def _long_enough(self) -> "Outer":
        if self.length < len(self.parts):
            msg = f"length: {self.length} is less than the number of parts"
            raise ValueError(msg)
        return self


@pytest.mark.parametrize(
    ("values", "sentences"),
    [
        ({}, "length: is missing"),
        ({"length": "3"}, "length = '3': must be a valid number"),
        ({"length": True}, "length = True: must be a valid number"),
        ({"length": float("nan")}, "length = nan: must be a finite number"),
        ({"length": 0}, "length: 0.0 is less than the number of parts"),
        ({"length": 1, "lenght": 2}, "unknown key 'lenght'; did you mean 'length'?"),
        ({"length": 1, "parts": [{"size": 0}]}, "parts.0.size = 0: must be greater than 0"),
        ({"length": 1, "parts": [{"size": 1, "nam": "b"}]}, "parts.0: unknown key 'nam'; did you mean 'name'?"),
        (
            {"length": 1, "parts": [{"size": 0}, {}]},
            "parts.0.size = 0: must be greater than 0; parts.1.size: is missing",
        ),
        ({"length": 1, "parts": []}, "parts = []: needs at least 1 entry"),
    ],
)
def test_every_finding_is_one_sentence(values: dict[str, Any], sentences: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    assert explain(caught.value) == sentences


@pytest.mark.parametrize("name", ["a b", "a\nb", "a\n", "$x", "../a", "", "-a", "a" * 81])
def test_names_cannot_become_anything_else(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        Inner(size=1, name=name)


def test_nearest_names_one_or_all() -> None:
    assert nearest("temperatur", ["temperature", "pressure"]) == "did you mean 'temperature'?"
    assert nearest("xyz", ["temperature", "pressure"]) == "known: pressure, temperature"
    assert nearest("xyz", []) == "known: none"


def test_located_puts_the_place_first() -> None:
    with pytest.raises(ValueError, match=r"^recipe: too short$"), located("recipe"):
        raise ValueError("too short")


def test_located_explains_what_a_model_refuses() -> None:
    with pytest.raises(ValueError) as caught, located(Path("mine.yaml")):  # noqa: PT011
        Inner.model_validate({"size": 0, "name": "b c"})
    assert str(caught.value) == (
        "mine.yaml: size = 0: must be greater than 0; "
        "name = 'b c': must be letters, digits, '.', '_' and '-', first a letter or digit"
    )


def test_a_long_wrong_value_is_cut() -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"length": [0] * 1000})
    assert explain(caught.value).endswith("…: must be a valid number")
    assert len(explain(caught.value)) < 150


def test_a_field_continues_the_path_of_its_message() -> None:
    with pytest.raises(ValueError) as caught, located("recipe"):  # noqa: PT011
        Outer.model_validate({"length": 1, "parts": [{"size": 0}, {"size": 1, "nam": "b"}]})
    assert str(caught.value) == (
        "recipe.parts.0.size = 0: must be greater than 0; recipe.parts.1: unknown key 'nam'; did you mean 'name'?"
    )
    with pytest.raises(ValueError, match=r"^recipe\.length: 0 is too short$"), located("recipe"):
        raise ValueError("length: 0 is too short")
