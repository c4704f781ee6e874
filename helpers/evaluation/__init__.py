"""Average precision in named presets, tables, files of results and submissions."""
