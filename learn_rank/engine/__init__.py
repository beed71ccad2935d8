"""Training on one process or many with torchrec: sharded tables, pipelines, streams and checkpoints.

processes     set-up and orderly tear-down
RankerEngine  DistributedModelParallel, planner, fused optimizers and TrainPipelineSparseDist in one object
RowStream     batches from parquet row groups, in an order that does not depend on the number of processes
write_rows    encoded rows in memory -> a file for the stream
checkpoints   sharded, resumed on another number of processes, with the position in the data
"""

from learn_rank.engine.batch_columns import BatchColumns
from learn_rank.engine.checkpoint import load_checkpoint, save_checkpoint
from learn_rank.engine.position import StreamPosition
from learn_rank.engine.processes import Processes, processes
from learn_rank.engine.ranker_engine import RankerEngine
from learn_rank.engine.row_stream import RowStream
from learn_rank.engine.sharding import EngineConfig
from learn_rank.engine.write_rows import columns_of_rows, write_rows

__all__ = [
    "BatchColumns",
    "EngineConfig",
    "Processes",
    "RankerEngine",
    "RowStream",
    "StreamPosition",
    "columns_of_rows",
    "load_checkpoint",
    "processes",
    "save_checkpoint",
    "write_rows",
]
