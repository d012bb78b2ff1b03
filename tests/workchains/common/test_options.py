"""The option ``stash``: defaults, the jobs that receive it, and refusals."""

from typing import Any

import pytest

from aiida_cse.workchains.common.builders import Codes
from aiida_cse.workchains.study import StudyWorkChain

WHOLE = ["trajectory.dcd", "restart.*", "final.data", "log.lammps", "start.json", "end.json"]


def study(codes: Codes, recipe: dict[str, Any], stash: Any) -> Any:
    return StudyWorkChain.get_builder_from_protocol(codes, recipe, "demo", options={"stash": stash})


def test_a_stash_needs_only_its_target(codes: Codes, recipe: dict[str, Any]) -> None:
    builder = study(codes, recipe, {"target_base": "/archive/cse"})
    assert StudyWorkChain.spec().inputs.validate(builder._inputs(prune=True)) is None
    for part in ("ceramic", "electrolyte", "interface", "production"):
        found = builder[part].base.lammps.metadata.options["stash"]
        assert found == {"target_base": "/archive/cse", "stash_mode": "copy", "source_list": WHOLE}


def test_only_lammps_jobs_stash(codes: Codes, recipe: dict[str, Any]) -> None:
    builder = study(codes, recipe, {"target_base": "/archive/cse"})
    for metadata in (builder.ceramic.build.metadata, builder.production.reduce.metadata):
        assert not metadata.options.get("stash")


def test_fewer_files_can_be_stashed(codes: Codes, recipe: dict[str, Any]) -> None:
    builder = study(codes, recipe, {"target_base": "/archive", "source_list": ["trajectory.dcd"]})
    assert builder.production.base.lammps.metadata.options["stash"]["source_list"] == ["trajectory.dcd"]


@pytest.mark.parametrize(
    ("stash", "message"),
    [
        ("/archive", "must be a mapping, such as"),
        ({}, "target_base = None must be the absolute path"),
        ({"target_base": "archive"}, "target_base = 'archive' must be the absolute path"),
        ({"target_base": "/a", "stash_mode": "tar.gz"}, "stash_mode = 'tar.gz' must be 'copy'"),
        ({"target_base": "/a", "source_list": []}, "source_list = [] must be a list of names"),
        ({"target_base": "/a", "source_list": ["../secret"]}, "must be a list of names"),
        ({"target_base": "/a", "source_list": ["/etc/passwd"]}, "must be a list of names"),
        ({"target_base": "/a", "sources": ["x"]}, "'sources' is no known key: did you mean 'source_list'?"),
    ],
)
def test_a_wrong_stash_is_refused(codes: Codes, recipe: dict[str, Any], stash: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r"options\.stash = ") as caught:
        study(codes, recipe, stash)
    assert message in str(caught.value)
