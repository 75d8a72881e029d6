"""How different two pictures look to a person."""
