"""Speed and force error of the simulation settings."""
