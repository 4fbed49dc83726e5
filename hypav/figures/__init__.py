"""The course's figures: one module for each notebook, of the notebook's name.

Each function asks its question in the figure's title and returns (figure, the plotted numbers). `figure.alt_text` says in
words what the figure shows. An argument `data` is the name of the data for the title; the name of a simulated set says
that it is simulated. There is no pyplot here: a figure belongs to its caller and no global setting changes. `runs` and
`shapes` hold what several notebooks use, `style` and `explorer` what all figures share.
"""
