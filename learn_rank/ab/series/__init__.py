"""Many real tests in one file, each arm a row of impressions and clicks: judged in one go (mode O)."""
