"""Proofs of the engine: the law, point by point, and a naive reference that it is held against."""
