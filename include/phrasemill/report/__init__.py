"""Reports: what a night came to, as JSON for programs and as one HTML page for people."""

from phrasemill.report.night import summarise_night
from phrasemill.report.page import render_report
from phrasemill.report.summary import NightSummary

__all__ = ["NightSummary", "render_report", "summarise_night"]
