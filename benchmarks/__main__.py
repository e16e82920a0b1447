"""`make bench`: what the server costs."""

from benchmarks import serving

if __name__ == "__main__":
    serving.main()
