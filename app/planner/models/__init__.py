"""What a model is made of: from a configuration or a file's header to its matrices, caches and widths."""
