"""The site: pages in Markdown, notebooks as they are, and references written from the code.

make docs           # build/site/index.html; a warning is an error, and no network is needed
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent)]

import mechlearn  # noqa: E402 (it and the extensions are beside this file)

project = "mechlearn"
author = "the mechlearn authors"
version = release = mechlearn.__version__
copyright = "the mechlearn authors, LGPL-3.0-or-later"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_nb",
    "mathml",
    "written",
]
exclude_patterns = ["**.ipynb_checkpoints", "extensions"]

nitpicky = True  # references that lead nowhere are warnings, and so errors

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # types are in the docstrings, with shapes
autodoc_inherit_docstrings = False  # what overrides a method is documented with it
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_rtype = False
napoleon_use_param = False

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence", "fieldlist"]
myst_heading_anchors = 3

# Notebooks are shown with the outputs they were saved with; scripts for their widgets would come
# from elsewhere.
nb_execution_mode = "off"
nb_ipywidgets_js = {}
nb_merge_streams = True

html_theme = "furo"
html_title = "mechlearn"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
