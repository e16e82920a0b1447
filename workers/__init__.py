"""The measuring side: the runner that a machine with a device starts, the program that measures, and the catalog."""
