"""Where a ranker begins: plain rates, and how far training may draw it from them."""
