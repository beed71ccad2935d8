"""What each choice of the fusion is worth: variants trained alike on a finished run, and compared."""
