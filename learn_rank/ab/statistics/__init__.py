"""What the totals say: estimates, intervals, guards."""
