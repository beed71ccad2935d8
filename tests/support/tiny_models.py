"""Tiny randomly initialised models with their own tokenizer, as folders: fast stand-ins for real encoders."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5Model,
)

WORDS = ["red", "blue", "ring", "pin", "for", "women", "men", "set", "of", "nail", "polish", "title", "brand"]
SPECIAL = ["<unk>", "<pad>", "<s>", "</s>"]
SHAPE: dict[str, Any] = {
    "vocab_size": len(WORDS) + len(SPECIAL),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "pad_token_id": 1,
    "bos_token_id": 2,
    "eos_token_id": 3,
}


def save_tiny_model(folder: Path, kind: str = "llama", *, has_pad: bool = True) -> Path:
    """Write a model of that kind ("llama", "bert", "roberta", "t5") and its tokenizer; the same each time."""
    state = torch.random.get_rng_state()
    torch.manual_seed(5)
    try:
        model = _model(kind)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.5)  # large enough that order and padding would matter
    finally:
        torch.random.set_rng_state(state)
    model.save_pretrained(folder)
    _tokenizer(ends=kind != "llama", has_pad=has_pad).save_pretrained(folder)
    return folder


def edit_json(path: Path, **changes: object) -> None:
    """Change fields of a JSON file; None removes the field."""
    fields = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in fields.items() if value is not None}))


def _model(kind: str) -> torch.nn.Module:
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(**SHAPE, intermediate_size=64, max_position_embeddings=64))
    if kind == "bert":
        return BertModel(BertConfig(**SHAPE, intermediate_size=64, max_position_embeddings=64))
    if kind == "roberta":
        return RobertaModel(RobertaConfig(**SHAPE, intermediate_size=64, max_position_embeddings=66))
    shape = {name: SHAPE[name] for name in ("vocab_size", "pad_token_id", "eos_token_id")}
    return T5Model(
        T5Config(**shape, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=1)
    )


def _tokenizer(*, ends: bool, has_pad: bool) -> PreTrainedTokenizerFast:
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>" if ends else "<s> $A", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>" if has_pad else None,
        model_max_length=64,
    )
