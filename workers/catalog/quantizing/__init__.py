"""What quantisations have in common: data to calibrate on, layers that emulate a format, one conversion by ModelOpt."""
