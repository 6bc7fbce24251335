"""Data only: one YAML file per product line."""
