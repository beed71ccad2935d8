"""Worlds and traffic of the A/B evidence."""
