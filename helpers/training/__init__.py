"""The training loop: one process or many, resumable at any step."""
