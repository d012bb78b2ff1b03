"""Display of processes and results in the terminal: trees, tables and progress."""
