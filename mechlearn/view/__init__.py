"""A run as a local page that answers: trained further and back, pulled, and solved anew, live."""

from mechlearn.view.page import serve

__all__ = ["serve"]
