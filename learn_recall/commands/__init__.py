"""The verbs of `learn-recall`, one file each; heavy libraries are imported when a verb runs."""
