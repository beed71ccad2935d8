"""The judge of prediction files: exact AUC, UAUC and WUAUC by bucket, with intervals, against a second
file."""
