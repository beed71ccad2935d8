"""The grouped AUC inside training loops: objects of torchmetrics and of torchrec over kept rows (torch)."""
