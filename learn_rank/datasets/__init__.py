"""Readers of known data sets; each returns a `RankingDataset` whose split was checked for leaks."""
