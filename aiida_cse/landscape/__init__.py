"""Known answers: ions in an analytic landscape, whose free energies and rates are known without a simulation."""
