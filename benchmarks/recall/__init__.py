"""The recall study: worlds, variants, scores, pages."""
