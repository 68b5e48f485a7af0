"""What a run or a comparison shows: the sentences and tables, as a page, as Markdown and on the
screen. Everything is made only from the files in the run folders."""
