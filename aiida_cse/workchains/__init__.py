"""The WorkChains, one file each, and their protocols."""
