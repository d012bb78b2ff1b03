"""Registry of the figures: each is an attribute of the package, whatever was drawn before."""

from __future__ import annotations

from aiida_cse.report import figures as package


def test_each_figure_is_callable_after_all_modules_are_imported() -> None:
    kinds = package.figures()
    assert {"exchange", "populations", "snapshot"} <= set(kinds)
    for name, kind in kinds.items():
        assert getattr(package, name) is kind.public, f"a module of the package has the name of the figure {name}"
