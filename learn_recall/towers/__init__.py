"""The double tower: its settings, PAL, the item towers, whitening, losses, inference and checkpoints.

The settings are light; what needs torch is imported from its file.
"""
