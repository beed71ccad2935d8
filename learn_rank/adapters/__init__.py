"""LEARN for teams that keep their framework.

join          vectors, presence and similarities joined to the rows of parquet files; for any framework
torcheasyrec  the same columns in the form of TorchEasyRec's RawFeature, and the lines of its pipeline config

Nothing heavy is imported until it is asked for: `join` needs torch, and neither torchrec nor a ranker.
"""
