"""What a reader of tables refuses, as values."""

import pytest

from learn_recall.tables import TableError


def problems_of(function, *args, **kwargs):
    """The problems that a call raises."""
    with pytest.raises(TableError) as caught:
        function(*args, **kwargs)
    return caught.value.problems


def the_problem(function, *args, **kwargs):
    """The only one."""
    (problem,) = problems_of(function, *args, **kwargs)
    return problem
