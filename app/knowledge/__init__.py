"""What many studies and the literature say of a technique, kept apart from each other."""
