"""mx.io: data iterators and readers of data files."""

from .csv_iter import CSVIter, read_csv
from .iterators import DataBatch, DataIter, NDArrayIter
from .mnist_iter import MNISTIter, read_idx

__all__ = ["CSVIter", "DataBatch", "DataIter", "MNISTIter", "NDArrayIter", "read_csv", "read_idx"]
