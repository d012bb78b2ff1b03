"""Rates of rare crossings: free energy from umbrella windows, transmission from short trajectories."""
