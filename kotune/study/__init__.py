"""Studies: one or more recipes and the values that vary over them. Every combination is an ordinary
run. One report covers all runs, with learning curves and possible next steps."""
