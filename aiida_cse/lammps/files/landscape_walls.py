"""Walls of a landscape with known answers, the only commands of an include file beyond those of a force field.

``aiida_cse.landscape.system`` writes them: one table of an energy along z for each ion, and for a slab that drifts
its motion. They are recognised as a whole, with nothing but numbers and the name of the ion to choose.
"""

from __future__ import annotations

import re

__all__ = ["without_walls"]

_NUMBER = r"[-+0-9.e]{1,30}"
_COUNT = r"[0-9]{1,7}"
#: the line before may not continue into the block
_BEGIN = r"(?:\A|(?<=[^& \t\r\n]\n)|(?<=\n\n))"
_TABLE = re.compile(
    _BEGIN
    + r'print """# F of (?P<ion>[A-Za-z][A-Za-z0-9]{0,19}) along z\nlandscape_(?P=ion)\nN '
    + _COUNT
    + r"\n-\n"
    rf"(?:{_COUNT} {_NUMBER} {_NUMBER} {_NUMBER}\n){{1,1000000}}"
    r'""" file landscape_(?P=ion)\.table screen no\n'
    rf"group landscape_(?P=ion) type {_COUNT}\n"
    rf"fix landscape_(?P=ion) landscape_(?P=ion) wall/table spline {_COUNT} zlo (?:v_landscape_wall|{_NUMBER}) "
    rf"landscape_(?P=ion)\.table landscape_(?P=ion) {_NUMBER} units box pbc yes\n"
    r"fix_modify landscape_(?P=ion) energy yes(?=\n)"
)
_SLAB = (
    rf"group landscape_slab type 1:{_COUNT}\n"
    rf"fix landscape_slab landscape_slab move linear 0 0 {_NUMBER} units box\n"
)
_DRIFT = re.compile(
    _BEGIN + rf"variable landscape_wall equal {_NUMBER}\+\({_NUMBER}\+{_NUMBER}\*step\*dt\)%{_NUMBER}\n"
    rf"{_SLAB}group landscape_ions type > {_COUNT}\n"
    rf"fix landscape_wind landscape_ions gravity {_NUMBER} vector 0 0 1(?=\n)"
)
#: as nodes of the first development versions have it
_FORMER_DRIFT = re.compile(
    _BEGIN + rf"variable landscape_shift equal \({_NUMBER}\+{_NUMBER}\*step\*dt\)/{_NUMBER}\n"
    rf"variable landscape_wall equal {_NUMBER}\+{_NUMBER}\*\(v_landscape_shift-floor\(v_landscape_shift\)\)\n"
    rf"{_SLAB}(?:group landscape_wind_{_COUNT} type {_COUNT}\n"
    rf"fix landscape_wind_{_COUNT} landscape_wind_{_COUNT} addforce 0 0 {_NUMBER}\n){{1,20}}(?=print)"
)


def without_walls(text: str) -> str:
    """Return an include file with empty lines in place of the walls of a landscape."""
    if "landscape_" not in text:
        return text
    for block in (_DRIFT, _FORMER_DRIFT, _TABLE):
        text = block.sub(lambda found: "\n" * found[0].count("\n"), text)
    return text
