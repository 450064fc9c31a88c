"""libnftables, by ctypes.

Job: run commands as one transaction. Promise: one context is kept, for making one costs more than an add; an error is told
with what cures it. Limits: used by the helper process alone; the context is not for two threads.
"""

import ctypes

from gatepost.outlets.nftables.messages import Code

CURES: dict[Code, str] = {
    "library": "libnftables is not there: install nftables (Debian: apt-get install libnftables1)",
    "rights": "no right to change nftables: run as root, or give CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN)",
    "kernel": "the kernel has no nf_tables: modprobe nf_tables, or boot a kernel with CONFIG_NF_TABLES_INET",
}


class NftablesError(Exception):
    """A transaction failed; nothing was changed."""

    def __init__(self, code: Code, said: str) -> None:
        self.code: Code = code
        super().__init__(said)


class Libnftables:
    """One context. Raises NftablesError where the library is missing."""

    def __init__(self, name: str = "libnftables.so.1") -> None:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            raise NftablesError("library", CURES["library"]) from None
        library.nft_ctx_new.restype = ctypes.c_void_p
        for each in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            getattr(library, each).restype = ctypes.c_char_p
            getattr(library, each).argtypes = [ctypes.c_void_p]
        for each in ("nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_free"):
            getattr(library, each).argtypes = [ctypes.c_void_p]
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        self._library = library
        self._context = library.nft_ctx_new(0)
        if not self._context:
            raise NftablesError("kernel", CURES["kernel"])
        library.nft_ctx_buffer_output(self._context)
        library.nft_ctx_buffer_error(self._context)

    def run(self, commands: str) -> None:
        """Runs commands in one transaction. Raises NftablesError."""
        failed = self._library.nft_run_cmd_from_buffer(self._context, commands.encode("ascii"))
        self._library.nft_ctx_get_output_buffer(self._context)  # empties it
        said: bytes = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if failed:
            raise error(said.decode(errors="replace"))

    def close(self) -> None:
        """Frees the context."""
        self._library.nft_ctx_free(self._context)


def error(said: str) -> NftablesError:
    """What libnftables said, with the cure where we know one."""
    first = said.strip().partition("\n")[0][:300]
    if "Operation not permitted" in said:
        return NftablesError("rights", CURES["rights"])
    if "No such file or directory" in said:
        return NftablesError("missing", first)
    if "not supported" in first or "cache initialization failed" in first:
        return NftablesError("kernel", f"{CURES['kernel']} ({first})")
    return NftablesError("refused", f"nftables refused a change: {first}")
