"""What people leave for each other: notes, tags, saved views."""
