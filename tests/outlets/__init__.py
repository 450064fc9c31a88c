"""Tests of what the guard tells the world."""
