"""The report of an experiment: a result for machines, a page for people, tables for the terminal."""
