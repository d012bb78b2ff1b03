"""The templates for Moltemplate; its result is tested with the other ways to join the phases."""

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.interface.moltemplate import TEMPLATES, templates
from aiida_cse.lammps.files.system import System


def test_templates_of_phases_without_velocities_have_none(slab: System, electrolyte: System) -> None:
    texts = templates(cut_slab(slab, slab.data), electrolyte, 2.5)
    assert tuple(texts) == TEMPLATES
    assert not any("Velocities" in text for text in texts.values())
