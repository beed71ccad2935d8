"""Files that are whole or absent: temporary name, fsync, rename; rows, records and tensors on disk.

The names below need numpy alone; `tensor_files` needs torch and is imported by those who write tensors.
"""

from learn_recall.files.whole_files import (
    HOST,
    atomic_path,
    fsync_tree,
    is_alive,
    read_json,
    remove,
    sha256_of_file,
    to_json,
    write_array,
    write_json,
)

__all__ = [
    "HOST",
    "atomic_path",
    "fsync_tree",
    "is_alive",
    "read_json",
    "remove",
    "sha256_of_file",
    "to_json",
    "write_array",
    "write_json",
]
