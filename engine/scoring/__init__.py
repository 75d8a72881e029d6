"""How good results are: in figures with their doubt, and in a page of pictures."""
