// Windows of KH x KW that step by SH, SW over planes with a border of PH, PW. POOL names what is taken of each; TAP is the
// type that holds the number of a window's element, BORDER tells whether a mean counts the border.
enum { MAX, AVG, SUM };

// A place of a batch of planes, from its number in row-major order.
struct Place {
    long long plane;
    int y, x;
};

__device__ inline Place place(long long i, int height, int width) {
    long long line = quotient(i, width), plane = quotient(line, height);
    return {plane, (int)(line - plane * height), (int)(i - line * width)};
}

// How many elements of window `o` count along an axis, as in ops/pooling.py's divisor.
__device__ inline int counted(int o, int kernel, int stride, int pad, int extent) {
    int start = o * stride, stop = start + kernel, end = extent + (BORDER ? 2 * pad : pad);
    if (!BORDER && start < pad) start = pad;
    return (stop < end ? stop : end) - start;
}

__device__ inline float divisor(int oy, int ox, int height, int width) {
    return (float)counted(oy, KH, SH, PH, height) * (float)counted(ox, KW, SW, PW, width);
}

// Whether a window's maximum moves from `value` to `here`: only to a larger number, so that the first of equal ones stays;
// or to a NaN, after which it stays. `!(a <= b)` is also true for a NaN.
__device__ inline bool surpasses(float here, float value) { return !(here <= value) && value == value; }
