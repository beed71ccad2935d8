"""Item texts: the prompt, the fields that it reads, their digests, and the vectors of their words."""
