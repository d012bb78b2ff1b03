"""Profiles, regions, transitions, equilibration and statistics: numpy and scipy only."""
