"""Vectors from elsewhere become stores: files of other tools, and the LMDB of the authors' release."""
