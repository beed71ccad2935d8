"""Model and tokenizer of a folder through transformers, every weight accounted for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, AutoTokenizer

from learn_recall.encoder.files import EncoderError, EncoderFolder, weight_files
from learn_recall.model_files.quiet import quiet

_MAY_BE_MISSING = ("pooler.",)  # BERT's pooler sits behind the last hidden state, and is never asked


def load_tokenizer(folder: EncoderFolder, *, trust_remote_code: bool) -> Any:
    """Load the tokenizer; one without a pad token pads with its end token, which the mask hides.

    Raises:
        EncoderError: no tokenizer, or one with neither pad nor end token.
    """
    with _as_encoder_error(folder, "tokenizer"), quiet():
        tokenizer = AutoTokenizer.from_pretrained(
            folder.path, local_files_only=True, trust_remote_code=trust_remote_code
        )
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise EncoderError(
                f"encoder {folder.name}: expected a tokenizer with a pad or an end token, got neither. "
                "Remedy: name a pad_token in its tokenizer_config.json"
            )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(folder: EncoderFolder, *, trust_remote_code: bool) -> Any:
    """Load the base model (no head) in float32 and eval mode, without gradients and without cache.

    Of an encoder-decoder the encoder alone is loaded.

    Raises:
        EncoderError: code that was not trusted, an architecture that transformers does not know, damaged
            files, or weights that the folder lacks (transformers would fill them with random numbers).
    """
    safe = weight_files(folder.path, allow_pickle=trust_remote_code)[0].endswith(
        ("safetensors", "safetensors.index.json")
    )
    with _as_encoder_error(folder, "model"), quiet():
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": trust_remote_code}
        config = AutoConfig.from_pretrained(folder.path, **options)
        auto = AutoModelForTextEncoding if config.is_encoder_decoder else AutoModel
        model, report = auto.from_pretrained(
            folder.path,
            config=config,
            dtype="float32",
            use_safetensors=safe,
            output_loading_info=True,
            **options,
        )
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(_MAY_BE_MISSING))
    if missing:
        raise EncoderError(
            f"encoder {folder.name}: expected every weight of {type(model).__name__}, got none for "
            f"{len(missing)}, first {missing[:3]}. Remedy: copy the whole model folder; the "
            "rest would be random"
        )
    model.config.use_cache = False
    return model.eval().requires_grad_(False)


def token_limit(model: Any, tokenizer: Any) -> int:
    """The most tokens that both model and tokenizer can read, special tokens included."""
    limit = int(min(tokenizer.model_max_length, 2**31))
    places = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if places is None or places < 1:
        return limit
    if counts_positions(model):
        places -= int(model.config.pad_token_id) + 1  # RoBERTa-like: positions start behind the pad's
    return min(limit, int(places))


def counts_positions(model: Any) -> bool:
    """Tell whether the model counts positions from its pad token itself, as RoBERTa and its kin do."""
    embeddings = getattr(model, "embeddings", None)
    return any(name.startswith("create_position_ids") for name in dir(embeddings))


@contextmanager
def _as_encoder_error(folder: EncoderFolder, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        message = " ".join(str(error).split())
        if "trust_remote_code" in message:
            raise EncoderError(
                f"encoder {folder.name}: its {what} needs code that lies in its folder. Remedy: read that "
                "code, then pass trust_remote_code=True (--trust-remote-code)"
            ) from None
        raise EncoderError(
            f"encoder {folder.path}: expected a {what} that transformers can load, got "
            f"{type(error).__name__}: {message[:300]}. Remedy: copy the whole model folder, or choose another"
        ) from error


__all__ = ["counts_positions", "load_model", "load_tokenizer", "token_limit"]
