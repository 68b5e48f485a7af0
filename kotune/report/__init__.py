"""What a run or a comparison shows: the sentences and tables, as a page, as Markdown and on the
screen. All of it is made from the run folders alone."""
