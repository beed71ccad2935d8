"""NEW FACE."""
