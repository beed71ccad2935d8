"""An environment fitted on a team's own log: who clicks, who converts."""
