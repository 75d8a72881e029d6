"""The local page of `tm serve`."""
