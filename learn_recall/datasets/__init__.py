"""Readers that turn known data sets into the canonical tables, and splits that leak nothing."""

from learn_recall.datasets.amazon import AmazonData, read_amazon
from learn_recall.datasets.splits import LeaveOneOut, leave_one_out

__all__ = ["AmazonData", "LeaveOneOut", "leave_one_out", "read_amazon"]
