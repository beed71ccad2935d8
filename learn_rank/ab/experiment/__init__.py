"""A real randomised experiment, judged with the statistics of the simulation (mode O)."""
