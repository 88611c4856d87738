"""Pooling, enlarging, padding, cutting."""

import mxnet as mx
import numpy as np
from draws import distinct, normal

S = mx.sym
DATA, OTHER = S.Variable("data"), S.Variable("other")


def pooling():
    for pool_type in ("max", "avg", "sum"):
        for convention in ("valid", "full"):
            symbol = S.Pooling(
                DATA, kernel=(3, 2), stride=(2, 2), pad=(1, 0), pool_type=pool_type, pooling_convention=convention
            )
            yield f"pooling_{pool_type}_{convention}", symbol, {"data": distinct(2, 2, 6, 7)}
        whole = S.Pooling(DATA, global_pool=True, pool_type=pool_type)
        yield f"pooling_{pool_type}_global", whole, {"data": distinct(2, 2, 3, 4)}
    ignored = S.Pooling(DATA, global_pool=True, kernel=(2, 2), stride=(2, 2), pad=(1, 1), pool_type="avg")
    yield "pooling_global_ignores_kernel", ignored, {"data": distinct(2, 2, 3, 4)}
    inside = S.Pooling(DATA, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", count_include_pad=False)
    yield "pooling_avg_inside", inside, {"data": distinct(2, 2, 6, 7)}
    yield "pooling_ties", S.Pooling(DATA, kernel=(2, 2)), {"data": np.ones((1, 1, 3, 3), np.float32)}
    line = S.Pooling(DATA, kernel=(3,), stride=(2,), pad=(1,), pool_type="avg")
    yield "pooling_1d", line, {"data": distinct(2, 2, 7)}
    yield "pooling_3d", S.Pooling(DATA, kernel=(2, 2, 2), stride=(1, 2, 1)), {"data": distinct(1, 2, 3, 4, 3)}
    for p in (1, 2):
        norm = S.Pooling(DATA, kernel=(2, 2), stride=(2, 2), pool_type="lp", p_value=p)
        yield f"pooling_lp{p}", norm, {"data": np.abs(normal(1, 2, 4, 4)) + 0.1}


def upsampling():
    nearest = S.UpSampling(DATA, scale=2, sample_type="nearest", num_args=1)
    yield "upsampling_nearest", nearest, {"data": normal(2, 3, 2, 3)}
    both = {"data": normal(2, 3, 2, 2), "other": normal(2, 1, 4, 4)}
    joined = S.UpSampling(DATA, OTHER, scale=4, sample_type="nearest", num_args=2)
    yield "upsampling_concat", joined, both
    same = {"data": normal(2, 3, 2, 2), "other": normal(2, 3, 4, 4)}
    added = S.UpSampling(DATA, OTHER, scale=2, sample_type="nearest", multi_input_mode="sum", num_args=2)
    yield "upsampling_sum", added, same
    for scale in (2, 3):
        smooth = S.UpSampling(DATA, scale=scale, sample_type="bilinear", num_filter=2, num_args=2, name="up")
        yield f"upsampling_bilinear{scale}", smooth, {"data": normal(2, 2, 3, 2)}


def pad():
    width = (0, 0, 0, 0, 1, 2, 2, 1)
    for mode in ("constant", "edge", "reflect"):
        yield f"pad_{mode}", S.Pad(DATA, mode=mode, pad_width=width), {"data": normal(2, 2, 3, 4)}
    yield "pad_value", S.Pad(DATA, mode="constant", pad_width=width, constant_value=1.5), {"data": normal(1, 2, 3, 3)}
    deep = S.Pad(DATA, mode="edge", pad_width=(0, 0, 0, 0, 1, 0, 0, 1, 2, 1))
    yield "pad_3d", deep, {"data": normal(1, 2, 2, 3, 2)}


def crop():
    image = {"data": normal(2, 2, 5, 6)}
    yield "crop_offset", S.Crop(DATA, offset=(1, 2), h_w=(3, 2), num_args=1), image
    yield "crop_center", S.Crop(DATA, center_crop=True, h_w=(2, 3), num_args=1), image
    like = {**image, "other": normal(2, 3, 4, 3)}
    yield "crop_like", S.Crop(DATA, OTHER, num_args=2), like
    yield "crop_like_center", S.Crop(DATA, OTHER, center_crop=True, num_args=2), like
    yield "crop_like_offset", S.Crop(DATA, OTHER, offset=(1, 3), num_args=2), like


def roi_pooling():
    rois = np.array([[0, 0, 0, 3, 3], [1, 2, 1, 6, 5], [0, 1, 1, 1, 1], [1, 5, 4, 9, 9]], np.float32)
    symbol = S.ROIPooling(DATA, S.Variable("rois"), pooled_size=(2, 3), spatial_scale=1)
    yield "roipooling", symbol, {"data": distinct(2, 2, 6, 7), "rois": rois}
    half = S.ROIPooling(DATA, S.Variable("rois"), pooled_size=(2, 2), spatial_scale=0.5)
    boxes = np.array([[0, 1, 1, 9, 7], [1, 3, 0, 12, 11]], np.float32)
    yield "roipooling_scaled", half, {"data": distinct(2, 2, 6, 7), "rois": boxes}


FAMILIES = (pooling, upsampling, pad, crop, roi_pooling)
