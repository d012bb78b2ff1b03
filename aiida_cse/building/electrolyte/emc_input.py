"""The setup script from which EMC builds the electrolyte of a recipe.

EMC Setup (``emc.pl``, ``emc_setup.pl``) converts the script and the two field files beside it to ``build.emc``,
the input of EMC itself. Keywords and paragraphs are those of EMC's manual, chapters 4 and 5.
"""

from __future__ import annotations

from aiida_cse.building.electrolyte.build import layer_height
from aiida_cse.building.electrolyte.emc_field import emc_field
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.type_table import chemistry_of

__all__ = ["BUILD_SCRIPT", "PROJECT", "SETUP_OUTPUT", "emc_files"]

#: base name of EMC's files
PROJECT = "electrolyte"
#: output of EMC Setup and input of EMC
BUILD_SCRIPT = "build.emc"
#: standard output of EMC Setup
SETUP_OUTPUT = "emc_setup.out"

#: EMC Setup makes only boxes with two equal edges. Its build section is therefore excluded and replaced by this
#: one, which differs in the lengths only, followed by the commands that store the result.
_BUILD = """\
variables\t= {{lxx -> {lx:.10g}, lyy -> {ly:.10g}, lzz -> {lz:.10g}, lzy -> 0, lzx -> 0, lyx -> 0}};

build\t\t= {{
  system\t-> {{
    id\t\t-> main,
    split\t-> false,
    geometry\t-> {{xx -> lxx, yy -> lyy, zz -> lzz, zy -> lzy, zx -> lzx, yx -> lyx}},
    temperature\t-> temperature,
    flag\t-> {{charge -> true, geometry -> true, map -> true, pbc -> true}}
  }},
  select\t-> {{
    progress\t-> list,
    frequency\t-> 1,
    name\t-> "error",
    order\t-> random,
    cluster\t-> {{chains, cations, anions}},
    relax\t-> {{ncycles -> nrelax, radius -> radius}},
    grow\t-> {{
      method\t-> energetic,
      check\t-> all,
      nbonded\t-> 20,
      ntrials\t-> 20,
      niterations -> 1000,
      theta\t-> 0,
      weight\t-> {{bonded -> weight_bond, nonbonded -> weight_nonbond, focus -> weight_focus}}
    }}
  }}
}};

force\t\t= {{style -> none, message -> nkt}};
force\t\t= {{style -> init, message -> nkt}};

lammps\t\t= {{name -> output, mode -> put, forcefield -> opls, parameters -> true, types -> false,
\t\t   unwrap -> true, charges -> true, ewald -> true}};
"""


def emc_files(recipe: Recipe, lx: float, ly: float) -> dict[str, str]:
    """Return the text of each input file of EMC Setup by name: the script and the field of the recipe.

    The molecules are built in the box lx × ly × Lz, periodic along all three axes, at the recipe's initial density
    and from its seed.

    Parameters
    ----------
    recipe
        The recipe.
    lx, ly
        The cross-section in Å, that of the equilibrated ceramic.

    Raises
    ------
    ValueError
        Parameters are missing, or EMC cannot distinguish two types of the force field.
    """
    chemistry = chemistry_of(recipe)
    field = emc_field(recipe, chemistry)
    build = _BUILD.format(lx=lx, ly=ly, lz=layer_height(recipe, chemistry, lx, ly))
    return {
        f"{PROJECT}.esh": _script(recipe, build),
        f"{PROJECT}.prm": field.parameters(),
        f"{PROJECT}.top": field.rules(),
    }


def _script(recipe: Recipe, build: str) -> str:
    polymer, salt = recipe.polymer, recipe.salt
    options = {
        "replace": "true",
        "field": f"./{PROJECT}",
        "number": "true",
        "density": f"{recipe.electrolyte.density:.10g}",
        "seed": recipe.seeds.electrolyte,
        "build_dir": ".",
        "emc_exclude": "build=true",
    }
    # end 1 of a monomer is bonded to the preceding piece and end 2 to the following one, as in chain_molecule
    first, last = polymer.end_groups
    groups = [f"monomer\t{polymer.repeat_unit},1,monomer:2"]
    if first == last:
        groups.append(f"terminal\t{first},1,monomer:1,1,monomer:2")
        ends = "terminal,2"
    else:
        groups += [f"head\t{first},1,monomer:1", f"tail\t{last},1,monomer:2"]
        ends = "head,1,tail,1"
    groups += [f"cation\t[{salt.cation}+]", f"anion\t{salt.anion.smiles}"]
    clusters = [
        f"chains\talternate\t{polymer.chains}",
        f"cations\tcation\t{salt.pairs}",
        f"anions\tanion\t{salt.pairs}",
    ]
    return "\n".join(
        [
            _paragraph("OPTIONS", [f"{key}\t{value}" for key, value in options.items()]),
            _paragraph("GROUPS", groups),
            _paragraph("CLUSTERS", clusters),
            _paragraph("POLYMERS", ["chains", f"1\tmonomer,{polymer.length},{ends}"]),
            _paragraph("EMC\tphase=1\tspot=2", [build]),
        ]
    )


def _paragraph(name: str, lines: list[str]) -> str:
    return f"ITEM\t{name}\n\n" + "\n".join(lines) + "\n\nITEM\tEND\n"
