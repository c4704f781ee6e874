"""Mask correction: wrong pixel labels of an id-map found and put right."""
