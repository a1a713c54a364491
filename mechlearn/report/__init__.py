"""Reports: a run as one self-contained page of HTML."""

from mechlearn.report.page import report

__all__ = ["report"]
