"""Compares finished runs: pairs their items, tests differences, pools seeds, and decides which
claims are supported. Other packages write the sentences and draw the plots."""
