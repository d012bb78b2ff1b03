"""Version of aiida-cse: a module of its own, so that every floor can import it without the package's entrance."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
