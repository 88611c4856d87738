"""The public `mx.viz`: networks as tables and as pictures."""

from .plot import NetworkPlot, plot_network
from .table import print_summary, summary

__all__ = ["NetworkPlot", "plot_network", "print_summary", "summary"]
