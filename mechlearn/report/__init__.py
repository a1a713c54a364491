"""A run as one page of HTML that needs no network: to read, to turn, to send, to print."""

from mechlearn.report.page import report

__all__ = ["report"]
