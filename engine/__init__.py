"""Everything `tm` can do, with no knowledge of the terminal."""
