"""Reports: what a night or a corpus came to, as JSON for programs and as one HTML page for people."""

from phrasemill.report.night import summarise_corpus, summarise_night
from phrasemill.report.page import render_report
from phrasemill.report.summary import CorpusSummary, NightSummary

__all__ = ["CorpusSummary", "NightSummary", "render_report", "summarise_corpus", "summarise_night"]
