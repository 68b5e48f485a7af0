"""The documentation, whose pages are the Markdown files here. The scripts write what a page should
not hold by hand: commands, pictures and the site."""
