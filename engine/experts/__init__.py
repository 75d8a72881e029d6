"""Who tells ages in `tm relabel`: experts behind one protocol, and the mixture of them."""
