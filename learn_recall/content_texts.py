"""Which texts a content store holds vectors of, by their hashes: `texts.safetensors` in its folder."""

from learn_recall.content_shards import ContentShard
from learn_recall.errors import StoreError
from learn_recall.files import sha256_of_file
from learn_recall.row_file import RowFile
from learn_recall.store_files import VECTORS
from learn_recall.store_read import EmbeddingStore

TEXTS_FILE = "texts.safetensors"


def known_texts(store: EmbeddingStore) -> ContentShard | None:
    """Give the texts of a content store by their hashes; None where the texts file is not the card's.

    Args:
        store: A store of kind "content" that `encode_items` wrote.
    """
    path = store.path / TEXTS_FILE
    if not path.is_file() or sha256_of_file(path) != store.card.extra.get("texts_sha256"):
        return None
    try:
        arrays, _ = RowFile.of_safetensors(path)
        return ContentShard(**arrays, vectors=RowFile.of_npy(store.path / VECTORS))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: expected the texts of a content store, got {error}") from error


__all__ = ["TEXTS_FILE", "known_texts"]
