"""Readers of trajectory files."""
