"""mx.io: data iterators and readers of data files."""

from .csv_iter import CSVIter, read_csv
from .data_iter import DataBatch, DataDesc, DataIter
from .images.image_folder_iter import ImageFolderIter
from .images.image_record_iter import ImageRecordIter
from .iterators import NDArrayIter
from .mnist_iter import MNISTIter, read_idx

__all__ = [
    "CSVIter",
    "DataBatch",
    "DataDesc",
    "DataIter",
    "ImageFolderIter",
    "ImageRecordIter",
    "MNISTIter",
    "NDArrayIter",
    "read_csv",
    "read_idx",
]
