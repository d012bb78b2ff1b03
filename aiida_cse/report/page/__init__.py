"""The report: one HTML page with verdict, figures, tables, protocol, provenance and citations."""

from __future__ import annotations

from aiida_cse.report.page.build import write_page

__all__ = ["write_page"]
