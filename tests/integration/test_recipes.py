"""Other materials than the published one run the demo protocol as they are shipped, at the length of a test."""

from __future__ import annotations

from typing import Any

import pytest
from aiida.common.log import configure_logging
from aiida.engine import run_get_node
from aiida.orm import InstalledCode

from aiida_cse.workchains.common.protocol import merge
from tests.integration.short import SETTLED, short_study

pytestmark = pytest.mark.integration

LENGTH = SETTLED | {"production": {"plan": {"length_ps": 0.4}}}
#: what the how-to gives for an anion whose layer is not known
OFFSETS = {"production": {"sampling": {"offsets": {"FSI": {"inner": -0.5, "outer": 6.0}}}}}


@pytest.mark.parametrize(
    ("recipe", "overrides", "anion", "lithium", "anions"),
    [
        ("ga-llzo-peo-litfsi-demo", {}, "TFSI", 104, 4),
        ("llzo-peo-lifsi-demo", OFFSETS, "FSI", 119, 7),
        ("llzo-ppo-litfsi-demo", {}, "TFSI", 118, 6),
    ],
)
def test_a_shipped_recipe_runs_from_slab_to_verdict(
    recipe: str,
    overrides: dict[str, Any],
    anion: str,
    lithium: int,
    anions: int,
    module_codes: dict[str, InstalledCode],
) -> None:
    configure_logging(with_orm=True)
    builder = short_study(module_codes, temperatures=[500.0], recipe=recipe, overrides=merge(LENGTH, overrides))
    _, node = run_get_node(builder)
    assert node.is_finished_ok, [(n.process_label, n.exit_status, n.exit_message) for n in node.called_descendants]
    run = node.outputs.runs.T0500_r1
    assert run.interface.info.charge == pytest.approx(0, abs=1e-10)
    state = run.reduction.get_state()
    assert set(state.region_counts[:, 0].sum(axis=1).tolist()) == {lithium}
    assert set(state.region_counts[:, 1].sum(axis=1).tolist()) == {anions}
    assert run.equilibration["equilibrated"] is False
    assert any(key.startswith(f"n_{anion.lower()}_") for key in run.populations.get_dict())
