"""What to do next: a situation becomes ranked stacks of techniques, each with its reason and its evidence. Pure functions."""
