"""The measuring program: one spec on standard input, one report on standard output. Started as a program, never imported."""
