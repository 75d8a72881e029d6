"""Published age estimators."""
