"""The offline A/B simulation."""
