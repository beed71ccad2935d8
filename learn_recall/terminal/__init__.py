"""What both commands show people: tables that lose no figure, progress that a log can tell."""

from learn_recall.terminal.consoles import result_console
from learn_recall.terminal.progress import StageProgress, track_steps
from learn_recall.terminal.whole_table import WholeTable

__all__ = ["StageProgress", "WholeTable", "result_console", "track_steps"]
