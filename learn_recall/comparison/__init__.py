"""Recall models compared on one log: baselines without training, ids alone, text alone, LEARN's towers."""
