"""The declared order of tests: one metric decides, guardrails must hold, all else comes behind them."""
