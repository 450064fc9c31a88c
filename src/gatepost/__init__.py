"""Gatepost guards mail servers."""
