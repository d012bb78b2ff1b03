"""Ceramic slabs."""
