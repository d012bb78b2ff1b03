"""The crossing: F(z) from umbrella windows, the rate from short trajectories, and its place in the kinetics."""
