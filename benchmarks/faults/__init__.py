"""Runs that are killed, stopped and damaged, compared with undisturbed ones."""
