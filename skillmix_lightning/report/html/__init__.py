"""The report as one HTML file that needs no network: tables, charts, and a browser of every text."""

from skillmix_lightning.report.html.page import write_page

__all__ = ["write_page"]
