"""The AnalysisWorkChain: its steps, its refusals, and the results that remain if a step fails."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.manage.caching import enable_caching
from aiida.plugins import CalculationFactory, WorkflowFactory

from aiida_cse.analysis.registry import analyse, observables
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.data.reduction import CseReductionData
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from tests.nodes import reduction_node, state, state_bytes
from tests.reduction import synthetic
from tests.workchains.conftest import Make

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


@pytest.fixture
def analysis(make: Make) -> Callable[..., Any]:
    """Return a function that makes an analysis with these settings."""

    def run(**settings: Any) -> Any:
        inputs = {"reduction": reduction_node(), "temperature": orm.Float(700)}
        return make(WorkflowFactory("cse.analysis"), **inputs, settings=orm.Dict(settings))

    return run


def test_each_observable_is_attached_as_one_calculation(aiida_profile: object) -> None:
    inputs = {"reduction": reduction_node(), "temperature": orm.Float(700), "settings": orm.Dict({"rule": "core"})}
    found, node = run_get_node(WorkflowFactory("cse.analysis"), **inputs, metadata={"label": "evening"})
    assert node.is_finished_ok
    assert set(found) == set(observables())
    called = [
        link.node.process_label for link in node.base.links.get_outgoing().all() if "CALL" in link.link_label
    ]
    assert len(called) == len(observables())
    made_by = {name: output.base.links.get_incoming().all_nodes()[0] for name, output in found.items()}
    assert len({str(maker.uuid) for maker in made_by.values()}) == len(observables()), "one calculation per result"

    with enable_caching():
        cached, again = run_get_node(WorkflowFactory("cse.analysis"), **inputs, metadata={"label": "morning"})
    assert cached["barrier"].creator.base.caching.is_created_from_cache, "labels do not change hashes"
    for label, results, process in (("evening", found, node), ("morning", cached, again)):
        assert {name: one.label for name, one in results.items()} == {
            name: f"{name} 700 K {label}" for name in observables()
        }
        assert results["barrier"].description.startswith(observables()["barrier"].summary)
        assert process.uuid in results["barrier"].description


def test_the_steps_share_one_reading_of_the_file(analysis: Callable[..., Any]) -> None:
    process = analysis()
    state = process.inputs.reduction.get_state()
    assert process.populations() is None
    assert process.inputs.reduction.get_state() is state


def test_earlier_results_remain_if_one_step_fails(aiida_profile: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ion was found in any bin, which the file of a state refuses, so that the free energy is undefined."""
    monkeypatch.setattr("aiida_cse.reduction.state.check_sums", lambda *_: None)
    made = state()
    made.point_histograms[:] = 0
    inputs = {"reduction": reduction_node(made), "temperature": orm.Float(700), "settings": orm.Dict({})}
    found, node = run_get_node(WorkflowFactory("cse.analysis"), **inputs)
    assert node.exit_status == 342
    assert node.exit_message.startswith("the reduction cannot be analysed: counts are all zero")
    assert set(found) == {"populations", "transitions", "equilibration", "density_profiles"}
    assert node.called[-1].exit_status == 336


def test_results_that_the_reduction_cannot_give_are_left_out(aiida_profile: object) -> None:
    made = state()
    only_charge = {"charge": made.streams["atoms"]}
    config = made.config.model_copy(update={"streams": {"charge": made.config.streams["atoms"]}})
    node = reduction_node(replace(made, config=config, streams=only_charge))
    inputs = {"reduction": node, "temperature": orm.Float(700), "settings": orm.Dict({})}
    found, process = run_get_node(WorkflowFactory("cse.analysis"), **inputs)
    assert process.is_finished_ok
    assert set(observables()) - set(found) == {"density_profiles"}


#: settings coarser than those of the reduction: bins, blocks, snapshots, lags, range and boundaries
COARSER: dict[str, Any] = {
    "bins": 55,
    "block_ps": 0.4,
    "snapshot_ps": 0.12,
    "lags_ps": [0.12],
    "start_ns": 0.0002,
    "end_ns": 0.001,
    "boundaries": {"Li": [-45, -29, 28, 44]},
}


def moving() -> State:
    """Return a reduction with displacements."""
    with TemporaryDirectory() as folder:
        path = synthetic.write_dcd(Path(folder) / "a.dcd", synthetic.make(3, 60).positions)
        return reduce_segments([path], synthetic.config())


def test_a_stored_reduction_is_analysed_at_another_resolution(aiida_profile: object) -> None:
    node = reduction_node(moving())
    inputs = {"reduction": node, "temperature": orm.Float(700), "settings": orm.Dict(COARSER)}
    found, process = run_get_node(WorkflowFactory("cse.analysis"), **inputs)
    assert process.is_finished_ok
    expected = analyse(moving(), 700.0, AnalysisSettings.model_validate(COARSER))
    assert set(found) == set(expected)
    for name, content in expected.items():
        known = found[name].base.attributes.all
        for key, value in content.items():
            if isinstance(value, np.ndarray):
                assert np.array_equal(found[name].get_array(key), value, equal_nan=value.dtype.kind == "f"), key
            elif isinstance(value, float):
                assert known[key] == pytest.approx(value), key
    assert found["transitions"]["counted_in_snapshots"] == ["Li"]
    assert found["transitions"]["boundaries_li_A"] == [-45, -29, 28, 44]
    assert (found["populations"]["n_li_stride_ps"], found["populations"]["end_ns"]) == (
        0.12,
        pytest.approx(0.00078),
    )
    assert len(found["density_profiles"].get_array("z_A")) == 55
    assert found["displacement_variance"].base.attributes.get("lags_ps") == [0.12]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"start_ns": 1000}, "settings.start_ns = 1000: it leaves nothing to analyse; it must be at most 0.001, "),
        (
            {"end_ns": 0.1},
            "settings.end_ns = 0.1: it is after the end of the reduction; it must be at most 0.0012",
        ),
        ({"bins": 100}, "settings.bins = 100: the 110 bins of the reduction make 110, 55, 22, 11, 10; "),
        (
            {"lags_ps": [500]},
            "settings.lags_ps = 500: the lags of the reduction are 1000; choose from these, or reduce the ",
        ),
        ({"boundaries": {"Li": [21.5, 30]}}, "nearest: -22.00 and -21.00 Å.*reduce the trajectory again"),
        (
            {"boundaries": {"Li": [21, 30]}, "rule": "core"},
            "settings.rule = core: there are other boundaries of Li",
        ),
    ],
)
def test_unresolved_settings_are_refused_before_anything_runs(
    analysis: Callable[..., Any], settings: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        analysis(**settings)


def test_the_verdict_is_reported_with_its_reasons(
    analysis: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = analysis()
    said: list[str] = []
    monkeypatch.setattr(process, "report", said.append)
    assert process.equilibration() is None
    process.say_verdict()
    assert said[0] == "not equilibrated"
    assert said[1:] == process.outputs["equilibration"]["reasons"]
    assert len(said) > 1


# -- the temperature ----------------------------------------------------------------------------------------


@pytest.fixture
def at_500(aiida_profile: object) -> Any:
    """A reduction that says its temperature."""
    node = CseReductionData(BytesIO(state_bytes()))
    node.base.attributes.set("temperature_K", 500.0)
    return node.store()


def test_the_temperature_is_that_of_the_reduction(at_500: Any, make: Make) -> None:
    chain: Any = WorkflowFactory("cse.analysis")
    assert chain.get_builder_from_protocol(at_500, protocol="demo").temperature.value == 500
    process: Any = make(chain, reduction=at_500)
    assert process.populations() is process.transitions() is None
    assert {process.outputs[name]["temperature_K"] for name in ("populations", "transitions")} == {500}
    used = {process.outputs[name].creator.inputs.temperature.uuid for name in ("populations", "transitions")}
    assert len(used) == 1, "one node for all calculations"


def test_another_temperature_is_refused(at_500: Any, make: Make) -> None:
    chain: Any = WorkflowFactory("cse.analysis")
    why = rf"temperature = 700: the reduction <{at_500.pk}> is of a run at 500 K"
    with pytest.raises(ValueError, match=why):
        make(chain, reduction=at_500, temperature=orm.Float(700))
    with pytest.raises(ValueError, match=why):
        chain.get_builder_from_protocol(at_500, 700.0)
    inputs = (at_500, orm.Float(700), orm.Dict({}))
    _, node = CalculationFactory("cse.populations").run_get_node(*inputs)
    assert (node.exit_status, why in node.exit_message) == (336, True)


def test_a_reduction_without_a_temperature_needs_one(make: Make) -> None:
    chain: Any = WorkflowFactory("cse.analysis")
    with pytest.raises(ValueError, match=r"temperature: is missing; the reduction <\d+> does not say that of its"):
        make(chain, reduction=reduction_node())
    with pytest.raises(ValueError, match="temperature: is missing"):
        chain.get_builder_from_protocol(reduction_node())
