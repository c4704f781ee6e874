"""Figures, mask overlays and the review widget."""
