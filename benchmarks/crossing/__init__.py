"""Rates of rare crossings on landscapes with known answers."""
