"""Candidates: what each request could show, with both arms' scores."""
