"""Reports: a run as one self-contained page of HTML."""

from mechlearn.report.document import report

__all__ = ["report"]
