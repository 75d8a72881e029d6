"""The published layouts of weights files, one module each; a new module is found by itself."""
