"""End to end: real mail servers in network namespaces of our own, and clients that attack them."""
