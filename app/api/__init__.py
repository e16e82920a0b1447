"""JSON under /api/v1: the same names as the pages, the same functions below."""
