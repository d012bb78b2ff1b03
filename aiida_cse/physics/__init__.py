"""From counts and profiles to statements with a true uncertainty. numpy and scipy; pymbar for correlated series.

Lengths are in Å, temperatures and free energies in kelvin, unless a name says otherwise.
"""
