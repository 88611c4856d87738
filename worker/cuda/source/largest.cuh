// As in argmax: whether `value` at `index` is to be kept instead of `best` at `kept`. The first of the largest is, and
// a NaN is larger than any number.
__device__ inline bool wins(float value, int index, float best, int kept) {
    if (value != value) return best == best || index < kept;
    return best == best && (value > best || (value == best && index < kept));
}
