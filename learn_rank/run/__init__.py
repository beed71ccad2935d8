"""What a run is: its config, its folder, its arms, their training, their predictions, and `auto`."""
