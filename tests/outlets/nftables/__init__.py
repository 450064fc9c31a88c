"""Unit tests of the nftables mirror: no kernel, no rights."""
