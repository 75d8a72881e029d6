"""The age experts of `tm relabel` behind one protocol, and the mixture of them."""
