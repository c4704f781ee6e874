"""Any COCO-style data set, and 3D-FUTURE as released, as one validated index."""
