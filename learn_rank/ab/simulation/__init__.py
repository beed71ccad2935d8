"""The simulation: users are assigned, auctions held, outcomes drawn, totals kept."""
