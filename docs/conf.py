"""Settings of the documentation; the reference pages are written from the code before it is built."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from make_reference import write_pages  # noqa: E402
from make_tutorial import write_tutorial  # noqa: E402

from aiida_cse import __version__  # noqa: E402

write_pages(HERE / "reference")
write_tutorial(HERE / "tutorial")

project = "aiida-cse"
author = "The aiida-cse developers"
copyright = author
release = __version__

extensions = ["myst_parser", "mathml"]
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"aiida-cse {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
