"""Systems and trajectories that were made elsewhere."""
