"""Draw the gallery: ``python -m docs.make_gallery FOLDER`` writes gallery.md and its pictures.

FOLDER is that of ``docs.example_study``; the golden archive of the demo is imported into its profile. Each figure
is drawn from the example, from the demo where it needs what only a study with LAMMPS has, or from the simulated
crossing of ``docs.example_crossing``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from textwrap import fill
from typing import Any

from aiida_cse.report.figures import NotDrawableError, figures
from aiida_cse.report.figures.style import DOUBLE, render

__all__ = ["FOLDER", "PAGE", "PICTURES", "write_gallery"]

FOLDER = Path(__file__).parent
PAGE, PICTURES = FOLDER / "gallery.md", FOLDER / "_static" / "figures"
DEMO = FOLDER.parent / "tests" / "golden" / "golden-demo-0.1.aiida"

#: figures that are drawn from the last source that holds them: the demo has all phases
_LAST = ("snapshot",)

_HEAD = """# Gallery

Every figure is drawn from the nodes of a process, also from those of an imported archive, or from the folder of an
analysis:

```console
aiida-cse plot PK                          # what can be drawn, and why the rest cannot
aiida-cse plot PK free_energy --width 85   # one column of a journal, PDF
aiida-cse plot PK --all figures            # all of them
```

`PK` may be a UUID, a label or a folder. In Python, `aiida_cse.report.figures.free_energy(PK)` returns a matplotlib
Figure; [a figure of your own](howto/own-figure.md) shows how to change or to add one.

Most pictures below are drawn from *the example*: four runs of ions in a landscape of known free energies, without
LAMMPS and without polymer, which `python -m docs.example_study FOLDER` makes; at 700 K the ions equilibrate, at
400 K hardly one crosses. *The demo* is the study of `make demo`, too short for any number to be known. *The
simulated crossing* is of one ion over a known barrier, without LAMMPS (`docs/example_crossing.py`).
`python -m docs.make_gallery FOLDER` draws this page.
"""


def write_gallery(sources: dict[str, Any]) -> list[Path]:
    """Write the page and its pictures, each from the first source that holds it; return all paths."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    parts, written = [_HEAD], []
    for name, kind in figures().items():
        for source, findings in reversed(sources.items()) if name in _LAST else sources.items():
            try:
                drawn = kind.draw(findings, DOUBLE)
            except NotDrawableError:
                continue
            picture = PICTURES / f"{name}.png"
            picture.write_bytes(render(drawn, "png", name=name, dpi=150))
            written.append(picture)
            paper = f", as {kind.paper} of the published study" if kind.paper else ""
            parts.append(
                f"\n## {kind.title}\n\n`aiida-cse plot PK {name}`{paper}; here from {source}.\n\n"
                f'```{{image}} _static/figures/{name}.png\n:alt: "{kind.title}"\n:class: figure\n```\n\n'
                f"{fill(kind.caption(findings), 120)}\n"
            )
            break
        else:
            raise ValueError(f"figure = {name}: neither {' nor '.join(sources)} holds what it shows")
    PAGE.write_text("".join(parts), encoding="utf-8")
    return [PAGE, *written]


def main() -> None:
    """Write the gallery from the profile of the folder that is given."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m docs.make_gallery FOLDER")
    os.environ["AIIDA_PATH"] = str(Path(sys.argv[1]).resolve())
    from aiida import load_profile
    from aiida.tools.archive import import_archive

    from aiida_cse.report.processes import findings_of
    from docs.example_crossing import crossing_findings

    load_profile()
    import_archive(DEMO)
    sources = {
        "the example": findings_of("example: ions in a landscape"),
        "the simulated crossing": crossing_findings(),
        "the demo": findings_of("demo"),
    }
    for path in write_gallery(sources):
        print(path)


if __name__ == "__main__":
    main()
