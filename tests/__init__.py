"""Tests of Gatepost; the tree mirrors src/gatepost."""
