"""LEARN for teams that keep their framework: vectors as columns, as a table by id, or inside a module.

join          vectors, presence and similarities joined to the rows of parquet files; for any framework
torcheasyrec  the same columns in the form of TorchEasyRec's RawFeature, and the lines of its pipeline config
fuxictr       a store as the file that FuxiCTR's `pretrained_emb` reads, and the lines of its dataset config
plain         the fusion inside a plain `nn.Module` that takes a dict of tensors

Nothing heavy is imported until it is asked for: `fuxictr` needs numpy and pyarrow, `join` torch beside them,
`plain` torchrec.
"""
