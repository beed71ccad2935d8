"""What others published on the splits of the recall study."""
