"""Judging a table where it lies: an engine counts won pairs by user, our own statistics do the rest."""
