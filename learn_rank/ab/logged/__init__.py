"""Logged decisions with propensities: off-policy estimates (mode R)."""
