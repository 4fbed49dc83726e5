"""hypav: hyperbolic audio-visual zero-shot learning, a course and an honest reproduction.

Data flows one way: geometry and hyperbolicity, data, the network and its losses, the alignment module, the
protocol, training, experiments, plots, the command line. Each module imports only from those before it.
"""

__version__ = "0.1.0"
