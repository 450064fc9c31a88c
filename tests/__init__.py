"""The tests; each folder mirrors a part of the source, and ``e2e`` meets the real servers."""
