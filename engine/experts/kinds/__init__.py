"""One expert to a file; every module here is found by itself."""
