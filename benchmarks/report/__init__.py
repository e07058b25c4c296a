"""Renders every result to Markdown, figures and the README."""
