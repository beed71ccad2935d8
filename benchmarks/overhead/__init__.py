"""The hosts, tables and clocks of the overhead benchmarks."""
