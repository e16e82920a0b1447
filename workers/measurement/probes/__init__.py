"""Instruments that read one kind of quantity each, inside the process that is measured: time, memory, work, evidence."""
