"""A page that compares runs and tables: one HTML file that needs nothing else, neither network nor scripts."""
