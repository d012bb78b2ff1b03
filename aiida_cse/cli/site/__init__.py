"""The machine of the user: profile, computer and codes, their checks, and the disk space of runs."""
