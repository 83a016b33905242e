"""Hosts of the engine: an offscreen snapshot, a Qt widget, a desktop window, a notebook, napari. Thin."""
