"""The course's figures: one module for each notebook, with the same name.

Each function returns (figure, the plotted numbers). The figure's title asks a question, and `figure.alt_text` describes
the figure in words. An argument `data` is the name of the data for the title; the name of a simulated set says that it is
simulated. pyplot is not used: a figure belongs to its caller and no global setting changes. `runs` and `shapes` are
shared by several notebooks, `style` and `explorer` by all figures.
"""
