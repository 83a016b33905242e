"""Hosts of the engine: an offscreen snapshot, a desktop window, napari. Thin."""
