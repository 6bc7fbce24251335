"""Measurements on labelled images; nothing in ``echo`` or ``experts`` imports from here."""
