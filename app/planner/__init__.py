"""Will it fit, how fast: closed formulas over a model's anatomy. No torch, no model is built; an answer takes milliseconds."""
