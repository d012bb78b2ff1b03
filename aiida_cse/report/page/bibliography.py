"""Citations of a report as BibTeX: the programs, the study whose protocol is automated, and the force fields."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aiida_cse.version import __version__

__all__ = ["bibtex"]

#: as in CITATION.cff
_ALWAYS = (
    rf"""@software{{aiida-cse,
  title = {{aiida-cse}},
  author = {{{{The aiida-cse developers}}}},
  version = {{{__version__}}},
  license = {{MIT}}
}}""",
    r"""@article{kozdra2025,
  title = {Equilibration of ion distribution at polymer/ceramic interfaces},
  author = {Kozdra and Hölzer and Brandell and Heuer},
  journal = {Physical Chemistry Chemical Physics},
  year = {2025},
  volume = {27},
  pages = {24918},
  doi = {10.1039/d5cp01988e}
}""",
    r"""@article{lammps,
  title = {{LAMMPS} - a flexible simulation tool for particle-based materials modeling at the atomic, meso, and
    continuum scales},
  author = {Thompson, A. P. and others},
  journal = {Computer Physics Communications},
  year = {2022},
  volume = {271},
  pages = {108171},
  doi = {10.1016/j.cpc.2021.108171}
}""",
    r"""@article{aiida,
  title = {{AiiDA} 1.0, a scalable computational infrastructure for automated reproducible workflows and data
    provenance},
  author = {Huber, S. P. and others},
  journal = {Scientific Data},
  year = {2020},
  volume = {7},
  pages = {300},
  doi = {10.1038/s41597-020-00638-4}
}""",
)
#: as ``J. Åqvist, J. Phys. Chem. 1990, 94, 8021 (Li+)``
_ARTICLE = re.compile(
    r"(?P<authors>.+?), (?P<journal>[^,]*?) (?P<year>\d{4})(?:, (?P<volume>\d+), (?P<page>[\w–-]+))?"
    r"(?: \((?P<note>.*)\))?"
)
_SPECIAL = re.compile(r"([\\{}%&$#_~^])")
_WIDE = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def bibtex(citations: Iterable[str]) -> str:
    """Return entries for the programs, the published study, and sources in the form that force-field sets have.

    A source of another form becomes an entry with a note.
    """
    entries, keys = list(_ALWAYS), set()
    for citation in citations:
        key, entry = _entry(citation)
        number = next(suffix for suffix in ("", *map(str, range(2, 1000))) if key + suffix not in keys)
        keys.add(key + number)
        entries.append(entry.replace("KEY", key + number, 1))
    return "\n\n".join(entries) + "\n"


def _entry(citation: str) -> tuple[str, str]:
    found = _ARTICLE.fullmatch(" ".join(citation.split()))
    if found is None:
        words = re.findall(r"[a-z0-9]+", citation.lower())
        kind, key, fields = "misc", "-".join(words[:3]) or "source", {"note": citation}
    else:
        authors = [name.strip() for name in re.split(r", | et al\.", found["authors"]) if name.strip()]
        if "et al." in found["authors"]:
            authors.append("others")
        family = re.sub(r"[^a-z]", "", authors[0].split()[-1].lower()) or "source"
        kind, key = "article", family + found["year"]
        fields = {
            "author": " and ".join(authors),
            "journal": found["journal"],
            "year": found["year"],
            "volume": found["volume"],
            "pages": found["page"],
            "note": found["note"],
        }
    texts = {
        name: _SPECIAL.sub(lambda special: _WIDE.get(special[0], "\\" + special[0]), text)
        for name, text in fields.items()
        if text or kind == "misc"
    }
    lines = [f"  {name} = {{{text}}}" for name, text in texts.items()]
    return key, f"@{kind}{{KEY,\n" + ",\n".join(lines) + "\n}"
