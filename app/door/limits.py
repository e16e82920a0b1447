"""What may come in at most, in bytes, where others than the door have to know it too."""

HEADER_BYTES = 32_000_000
"""Of a GGUF file's beginning: the words of a vocabulary of 260,000 take 16 MB."""
