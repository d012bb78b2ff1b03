"""The page about the published counts says what its script prints, and that is what others found."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest

from tests.test_docs import DOCS


@pytest.fixture(scope="module")
def paper_counts() -> ModuleType:
    sys.path.insert(0, str(DOCS))
    try:
        import paper_counts
    finally:
        sys.path.remove(str(DOCS))
    return paper_counts


NUMBER = re.compile(r"[−-]?\d+(?:\.\d+)?")


def numbers(text: str) -> list[float]:
    return [float(number.replace("−", "-")) for number in NUMBER.findall(text)]


def test_the_page_is_what_its_script_writes(paper_counts: ModuleType) -> None:
    stored = (DOCS / "science" / "paper-counts.md").read_text(encoding="utf-8")
    fresh = paper_counts.page()
    assert NUMBER.sub("#", fresh) == NUMBER.sub("#", stored)
    # a draw of another version of numpy may round the last digit otherwise
    assert numbers(fresh) == pytest.approx(numbers(stored), rel=0.05, abs=0.11)


def test_the_intervals_are_those_of_an_independent_analysis(paper_counts: ModuleType) -> None:
    # made by hand from Garwood's and Clopper and Pearson's tables before there was a program
    found = paper_counts.kinetics(0.95)
    assert found.two_temperatures.gamma_interval == pytest.approx((0.53, 27), rel=0.02)
    at_400 = found.rates[-1]
    # without ΔE ≥ 0 it was 4 to 5e6
    assert 3 < at_400.rate.low < 6
    assert 1e6 < at_400.rate.high < 5e6
    assert found.excluded.keys() == {"500 K", "400 K"}


def test_the_figure_is_drawn(paper_counts: ModuleType) -> None:
    rates, distribution = paper_counts.figure().axes[:2]
    assert "s⁻¹" in rates.get_ylabel()
    assert "400 K" in distribution.get_xlabel()
