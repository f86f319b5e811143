"""The compiled step that every environment runs on (private)."""
