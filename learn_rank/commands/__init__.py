"""The verbs of `learn-rank`, one file each; heavy libraries are imported when a verb runs."""
