"""The aiida-cse command."""
