"""How old a face looks: age estimators."""
