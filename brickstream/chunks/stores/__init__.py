"""Bytes by key out of everything else: object stores, zip files, Zarr stores, whatever fsspec knows."""
