"""phrasemill: large corpora of short synthetic phrases, exactly as many as asked for."""

__version__ = "0.1.0"
