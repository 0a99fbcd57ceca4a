"""How dates read in the admin; Django looks in a package per language."""
