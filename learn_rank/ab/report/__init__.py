"""The report of an A/B test: result, verdict, page, terminal."""
