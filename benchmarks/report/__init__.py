"""Renders every result to Markdown, figures and the tables of README and site."""
