"""`make bench`: every benchmark, one after the other."""

from benchmarks import null_test, serving

if __name__ == "__main__":
    null_test.main()
    serving.main()
