"""The generated marketplace as the place of a simulated test: traffic, rankers, nightly training."""
