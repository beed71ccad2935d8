"""Lists that stand beside a history are cut with it."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as some

from learn_recall.tables import drop_unknown_items

ITEMS = pd.DataFrame({"item_id": [1, 2, 3], "title": ["x", "y", "z"]})
HISTORIES = some.lists(some.lists(some.tuples(some.integers(1, 6), some.booleans())), min_size=1, max_size=5)


@given(HISTORIES)
def test_items_that_go_take_their_conversion_flags_with_them(pairs):
    contexts = pd.DataFrame(
        {
            "context_id": range(len(pairs)),
            "user_id": range(len(pairs)),
            "history": [[item for item, _ in row] for row in pairs],
            "history_converted": [[flag for _, flag in row] for row in pairs],
        }
    )
    kept, dropped = drop_unknown_items(ITEMS, {"contexts": contexts})
    stay = [[pair for pair in row if pair[0] <= 3] for row in pairs]
    assert kept["contexts"]["history"].tolist() == [[item for item, _ in row] for row in stay]
    assert kept["contexts"]["history_converted"].tolist() == [[flag for _, flag in row] for row in stay]
    assert dropped == {"contexts": sum(map(len, pairs)) - sum(map(len, stay))}
