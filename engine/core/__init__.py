"""Ground floor: errors, registries, strict tables, files that are whole or absent."""
