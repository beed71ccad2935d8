"""What three reports share (of a run, an A/B test, prediction files): words, rules, SVG, frame,
provenance."""
