"""What both commands show people: tables that lose no figure, progress that a log can tell."""

from learn_recall.terminal.consoles import result_console
from learn_recall.terminal.whole_table import WholeTable

__all__ = ["WholeTable", "result_console"]
