"""What a ranker reads: data sets, contexts, host statistics, encoded rows, batches."""
