"""Speed goals: figures of Tradespace itself, printed beside what they are compared with. Not part of the tests."""
