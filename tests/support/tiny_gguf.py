"""A tiny Llama as a GGUF file, written by the package `gguf`, plain or quantised; byte-level BPE."""

from pathlib import Path

import gguf
import numpy as np
from tokenizers import pre_tokenizers

N_BLOCKS, WIDTH, N_HEADS, INNER = 2, 32, 4, 64
ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
MERGES = ["r e", "re d", "r i", "ri n", "rin g", "Ġ r"]
SPECIAL = ["<unk>", "<s>", "</s>"]
TOKENS = [*SPECIAL, *ALPHABET, *("".join(merge.split()) for merge in MERGES)]


def tensors() -> dict[str, np.ndarray]:
    """Weights by their names in a GGUF file; the same each time."""
    generator = np.random.default_rng(7)

    def matrix(*shape: int) -> np.ndarray:
        return generator.normal(scale=0.4, size=shape).astype(np.float32)

    found = {
        "token_embd.weight": matrix(len(TOKENS), WIDTH),
        "output_norm.weight": np.ones(WIDTH, np.float32),
    }
    for number in range(N_BLOCKS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            found[f"blk.{number}.{name}.weight"] = matrix(WIDTH, WIDTH)
        for name, shape in (
            ("ffn_gate", (INNER, WIDTH)),
            ("ffn_up", (INNER, WIDTH)),
            ("ffn_down", (WIDTH, INNER)),
        ):
            found[f"blk.{number}.{name}.weight"] = matrix(*shape)
        for name in ("attn_norm", "ffn_norm"):
            found[f"blk.{number}.{name}.weight"] = np.ones(WIDTH, np.float32)
    return found


def save_tiny_gguf(path: Path, *, is_quantised: bool = True, has_merges: bool = True) -> Path:
    """Write the file: matrices in Q8_0 or float32."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(N_BLOCKS)
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(N_HEADS)
    writer.add_head_count_kv(N_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(TOKENS) - len(SPECIAL)))
    if has_merges:
        writer.add_token_merges(MERGES)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for name, weight in tensors().items():
        if is_quantised and weight.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(weight, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
