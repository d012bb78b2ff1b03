"""Physics from counts and profiles: estimates with their uncertainty.

The functions use numpy and scipy, pymbar for correlated series, and pydantic for the criteria of the verdict and
the stop rule. Lengths are in Å, temperatures and free energies in kelvin, unless a name says otherwise.
"""
