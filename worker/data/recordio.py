"""mx.recordio: RecordIO files and their picture records under MXNet's Python names, and packing of whole folders."""

from .images.image_record import IRHeader, pack, pack_img, unpack, unpack_img
from .images.packing import pack_folder
from .images.record_io import MXIndexedRecordIO, MXRecordIO

__all__ = ["IRHeader", "MXIndexedRecordIO", "MXRecordIO", "pack", "pack_folder", "pack_img", "unpack", "unpack_img"]
