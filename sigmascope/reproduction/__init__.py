"""The paper's figures, made anew from runs of the service, each statement about them with a verdict.

One file a figure: what it takes from the runs (``numbers``), what follows for the paper's statements
(``points``), a table and a drawing. All of it pure, and all from the numbers: the files that are written
suffice to draw a figure again.
"""
