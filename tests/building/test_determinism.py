"""A recipe and its seeds define the system bit by bit, in any Python process."""

import pytest

from benchmarks.build import main


@pytest.mark.parametrize(
    "recipe", ["llzo-peo-litfsi-demo", pytest.param("ga-llzo-peo-litfsi-demo", marks=pytest.mark.long)]
)
def test_two_pythons_build_the_same_bits(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--recipe", recipe]) == 0
    *_, verdict = capsys.readouterr().out.splitlines()
    assert verdict.startswith(f"{recipe}: ")
    assert verdict.endswith("same bits, neutral")
