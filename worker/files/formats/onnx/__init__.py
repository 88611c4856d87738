"""ONNX files, read and written without the package onnx at run time where that is possible."""
