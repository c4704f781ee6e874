"""From Detections to full-image masks and result files."""
