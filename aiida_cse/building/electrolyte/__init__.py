"""Polymer electrolytes."""
