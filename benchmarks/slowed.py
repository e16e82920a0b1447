"""The measuring program with a variant that is slower than it should be: ``python -m benchmarks.slowed < run.json``."""

from workers.measurement import __main__ as program
from workers.measurement import arms

if __name__ == "__main__":
    arms.MODULE = "benchmarks.slowed_arm"
    program.main()
