"""Physics from counts and profiles: estimates with their uncertainty.

numpy and scipy only, and pymbar for correlated series.

Lengths are in Å, temperatures and free energies in kelvin, unless a name says otherwise.
"""
