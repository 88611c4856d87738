"""The public `mx.viz`: networks shown as tables (table.py) and as pictures (plot.py)."""

from .plot import NetworkPlot, plot_network
from .table import print_summary, summary

__all__ = ["NetworkPlot", "plot_network", "print_summary", "summary"]
