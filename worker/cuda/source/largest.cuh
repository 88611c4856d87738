// Whether argmax keeps `value` at `index` rather than `best` at `kept`: the first of the largest wins, and a NaN is larger
// than any number. In whatever order threads compare, the result is the same.
__device__ inline bool wins(float value, int index, float best, int kept) {
    if (value != value) return best == best || index < kept;
    return best == best && (value > best || (value == best && index < kept));
}
