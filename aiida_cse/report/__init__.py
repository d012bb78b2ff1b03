"""Figures, from nodes only."""
