"""What a model needs: weights by format, training and inference part by part, with bounds; whether that fits."""
