"""Average precision in named presets, tables, submission files."""
