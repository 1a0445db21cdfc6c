"""The engine seam: one small protocol and its adapters."""
