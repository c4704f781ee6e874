"""Tables and numbers about an index; the pictures of them are in viz."""
