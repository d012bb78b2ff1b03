"""Analysed runs from elsewhere as nodes, where the profile has them already."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiida import orm
from aiida.common.links import LinkType

from aiida_cse.workchains.analysis import AnalysisWorkChain
from aiida_cse.workchains.import_run import import_run
from tests.nodes import finish, reduction_node, state

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


def test_an_analysis_at_the_temperature_of_its_reduction_is_used_again() -> None:
    made = state()
    made = replace(made, config=made.config.model_copy(update={"temperature": 700.0}))
    reduction = reduction_node(made)
    builder = AnalysisWorkChain.get_builder_from_protocol(reduction, overrides={"settings": {"start_ns": 0.0}})
    done = orm.WorkChainNode(process_type=AnalysisWorkChain.build_process_type())
    done.base.links.add_incoming(reduction, LinkType.INPUT_WORK, "reduction")
    done.base.links.add_incoming(builder.settings.store(), LinkType.INPUT_WORK, "settings")
    done.store()
    finish(done, 0)
    found = import_run(made, 700.0, {})
    assert (found.reduction.uuid, found.analysis.uuid, found.new) == (reduction.uuid, done.uuid, frozenset())
