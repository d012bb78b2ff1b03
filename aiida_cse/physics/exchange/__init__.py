"""Regions, transitions between them, and the equilibration of the exchange."""
