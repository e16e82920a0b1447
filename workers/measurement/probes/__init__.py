"""Instruments that read one kind of quantity each, inside the process that is measured; energy's are read beside it."""
