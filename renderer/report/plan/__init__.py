"""A plan as text, Markdown, JSON and HTML."""
