"""Stages, schedules and settings of simulation protocols."""
