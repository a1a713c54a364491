"""Interactive view of a run on a local page: training, loads and solutions, live."""

from mechlearn.view.page import serve

__all__ = ["serve"]
