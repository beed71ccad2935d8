"""What may know more than the text does: each trial changes what the ranker is given, and nothing else."""
