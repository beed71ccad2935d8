"""Tables where they lie: DuckDB in this process, Spark, or a connection of the user's, all through Ibis."""
