"""Outputs of a WorkChain are linked when they are new, and only then does it ask for its links."""

from __future__ import annotations

from typing import Any

import pytest
from aiida.common.links import LinkType
from aiida.engine import run_get_node
from aiida.orm import Int
from aiida.orm.nodes.links import NodeLinks

from aiida_cse.engine.outline import VersionedWorkChain


class StepsWorkChain(VersionedWorkChain):
    """Two outputs in four steps."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.output("first", valid_type=Int)
        spec.output("second", valid_type=Int)
        spec.outline(cls.attach_first, cls.nothing, cls.attach_second, cls.nothing)

    def attach_first(self) -> None:
        self.out("first", Int(1).store())

    def nothing(self) -> None:
        pass

    def attach_second(self) -> None:
        self.out("second", Int(2).store())


def test_a_step_without_a_new_output_does_not_ask_for_the_links(
    aiida_profile: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    found = NodeLinks.get_outgoing

    def count(self: NodeLinks, *arguments: Any, **given: Any) -> Any:
        if given.get("link_type") == (LinkType.CREATE, LinkType.RETURN):
            asked.append(self)
        return found(self, *arguments, **given)

    monkeypatch.setattr(NodeLinks, "get_outgoing", count)
    _, node = run_get_node(StepsWorkChain)
    assert node.is_finished_ok
    assert (node.outputs.first.value, node.outputs.second.value) == (1, 2)
    assert len(asked) == 2
