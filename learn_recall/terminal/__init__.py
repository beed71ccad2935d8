"""What both commands show people: tables without loss, progress that a log can tell, names to choose."""

from learn_recall.terminal.consoles import result_console
from learn_recall.terminal.progress import StageProgress, track_steps
from learn_recall.terminal.whole_table import WholeTable

__all__ = ["StageProgress", "WholeTable", "result_console", "track_steps"]
