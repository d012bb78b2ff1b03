"""Styles of interactions that a force field may select: those of atoms of style ``full`` that need numbers only.

Anything else is refused by name: styles that read files, which no job has; that run or load code (``python``,
``mliap``, ``kim`` …); that evaluate text (``lepton``); and those of other atom styles. Sources: the pages "Pair
Styles" and "Bond, Angle, Dihedral, Improper Styles" of the LAMMPS manual, https://docs.lammps.org/Commands_pair.html
and https://docs.lammps.org/Commands_bond.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

__all__ = ["KINDS", "plain_style", "style_error"]

#: endings of styles that compute the same faster
_FASTER = ("/omp", "/opt", "/kk", "/kk/host", "/kk/device", "/gpu", "/intel")

#: forms of a pair style, and the Coulomb interactions that follow each of them after a "/"
_WITH_COULOMB = {
    "lj/cut": "coul/cut coul/debye coul/dsf coul/long coul/msm coul/wolf coul/cut/soft coul/long/soft coul/long/cs"
    " soft tip4p/cut tip4p/long tip4p/long/soft thole/long",
    "lj/class2": "coul/cut coul/long coul/cut/soft coul/long/soft coul/long/cs soft",
    "lj/charmm": "coul/charmm coul/charmm/implicit coul/long coul/long/soft coul/msm",
    "lj/charmmfsw": "coul/charmmfsh coul/long",
    "lj/expand": "coul/long",
    "lj/gromacs": "coul/gromacs",
    "lj/long": "coul/long tip4p/long",
    "lj/spica": "coul/long coul/msm",
    "lj/sdk": "coul/long coul/msm",
    "buck": "coul/cut coul/long coul/long/cs coul/msm",
    "buck/long": "coul/long",
    "born": "coul/dsf coul/dsf/cs coul/long coul/long/cs coul/msm coul/wolf coul/wolf/cs",
    "nm/cut": "coul/cut coul/long",
}
_ALONE = """
    born/gauss beck buck/mdf coul/cut coul/cut/global coul/cut/soft coul/debye coul/diel coul/dsf coul/exclude
    coul/long coul/long/cs coul/long/soft coul/msm coul/slater/cut coul/slater/long coul/tt coul/wolf coul/wolf/cs
    cosine/squared gauss gauss/cut harmonic/cut hbond/dreiding/lj hbond/dreiding/lj/angleoffset
    hbond/dreiding/morse hbond/dreiding/morse/angleoffset lennard/mdf lj/cubic lj/mdf lj/pirani lj/relres lj/sf
    lj/smooth lj/smooth/linear lj96/cut mie/cut morse morse/smooth/linear morse/soft pedone soft thole tip4p/cut
    tip4p/long tip4p/long/soft ufm wf/cut yukawa zbl zero none hybrid hybrid/overlay hybrid/scaled
    hybrid/molecular
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: styles by kind of interaction
_STYLES: dict[str, frozenset[str]] = {
    "pair": _names(_ALONE)
    | (frozenset(_WITH_COULOMB) - {"lj/long", "lj/charmm", "lj/charmmfsw", "buck/long"})
    | {f"{form}/{coulomb}" for form, others in _WITH_COULOMB.items() for coulomb in others.split()},
    "bond": _names(
        """
        class2 fene fene/expand fene/nm gaussian gromos harmonic harmonic/shift harmonic/shift/cut mm3 morse
        nonlinear quartic special zero none hybrid
        """
    ),
    "angle": _names(
        """
        charmm class2 class2/p6 cosine cosine/buck6d cosine/delta cosine/periodic cosine/shift cosine/shift/exp
        cosine/squared cosine/squared/restricted cross fourier fourier/simple gaussian harmonic mm3 quartic spica
        sdk zero none hybrid
        """
    ),
    "dihedral": _names(
        """
        charmm charmmfsw class2 cosine/shift/exp cosine/squared/restricted fourier harmonic helix multi/harmonic
        nharmonic opls quadratic spherical zero none hybrid
        """
    ),
    "improper": _names(
        """
        class2 cossq cvff distance distharm fourier harmonic inversion/harmonic ring sqdistharm umbrella zero none
        hybrid
        """
    ),
}
#: kinds of interactions
KINDS = tuple(_STYLES)
#: an example of each kind
_USUAL = {"pair": "lj/cut/coul/long", "improper": "cvff"} | dict.fromkeys(
    ("bond", "angle", "dihedral"), "harmonic"
)
#: words that may follow a style besides numbers: how the long-range part is computed, and what ``zero`` leaves out
_KEYWORDS = frozenset({"long", "cut", "off", "nocoeff", "full", "half"})


def plain_style(style: str) -> str:
    """Return a style without the endings of accelerated variants: ``lj/cut`` for ``lj/cut/kk/device``."""
    shorter = style
    while True:
        ending = next((end for end in _FASTER if shorter.endswith(end)), "")
        if not ending:
            return shorter
        shorter = shorter.removesuffix(ending)


def style_error(kind: str, arguments: Sequence[str], is_number: Sequence[bool]) -> str | None:
    """Return why the arguments of a command such as ``pair_style`` are not allowed, None if they are.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.
    arguments
        The words after the command: a style, its numbers and, if it is hybrid, further styles with theirs.
    is_number
        For each argument, whether it is a number or the variable that stands for one.
    """
    allowed = _STYLES[kind]
    for place, (word, number) in enumerate(zip(arguments, is_number, strict=True)):
        if (place and (number or word in _KEYWORDS)) or plain_style(word) in allowed:
            continue
        similar = get_close_matches(plain_style(word), allowed - {"none"}, n=1, cutoff=0.7)
        right = f"did you mean {similar[0]!r}?" if similar else f"such as {_USUAL[kind]}"
        return f"{kind}_style {word}: not allowed; must be a style whose coefficients are numbers, {right}"
    return None
