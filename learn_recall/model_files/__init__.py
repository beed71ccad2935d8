"""Files of language models: weights and their hash, GGUF files and their conversion, names of layers."""

from learn_recall.model_files.gguf_convert import converted_folder
from learn_recall.model_files.gguf_file import GgufFile, find_gguf, read_gguf
from learn_recall.model_files.layer_names import Layers

__all__ = ["GgufFile", "Layers", "converted_folder", "find_gguf", "read_gguf"]
