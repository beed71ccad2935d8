"""Speed of the grouped AUC, and other libraries beside it."""
