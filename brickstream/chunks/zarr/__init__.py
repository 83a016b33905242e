"""Zarr arrays, v2 and v3: from a metadata document to what reads and decodes a chunk."""
