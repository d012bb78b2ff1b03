"""The templates for Moltemplate; what the program makes of them is with the other ways to join."""

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.interface.moltemplate import TEMPLATES, templates
from aiida_cse.lammps.files.system import System


def test_phases_without_velocities_have_none_as_templates(slab: System, electrolyte: System) -> None:
    texts = templates(cut_slab(slab, slab.data), electrolyte, 2.5)
    assert tuple(texts) == TEMPLATES
    assert not any("Velocities" in text for text in texts.values())
