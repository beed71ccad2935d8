"""The variants of the fusion's ablation."""
