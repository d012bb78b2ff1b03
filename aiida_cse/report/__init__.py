"""Figures and the report, made from nodes only."""
