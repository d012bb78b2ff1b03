"""The CalcJobs, one file each, and the quick calcfunctions."""
