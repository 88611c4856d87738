"""The public `mx.viz`: networks as tables and as pictures."""

from .viz_plot import NetworkPlot, plot_network
from .viz_table import print_summary, summary

__all__ = ["NetworkPlot", "plot_network", "print_summary", "summary"]
