// Windows of KH x KW that step by SH, SW over planes with a border of PH, PW. POOL names what is taken of each;
// TAP is the type that holds a tap's number, BORDER tells whether a mean counts the border.
enum { MAX, AVG, SUM };

struct Place {
    long long plane;
    int y, x;
};

__device__ inline Place place(long long i, int height, int width) {
    long long line = quotient(i, width), plane = quotient(line, height);
    return {plane, (int)(line - plane * height), (int)(i - line * width)};
}

// How much of window `o` counts along an axis, as Pooling.divisor.
__device__ inline int counted(int o, int kernel, int stride, int pad, int extent) {
    int start = o * stride, stop = start + kernel, end = extent + (BORDER ? 2 * pad : pad);
    if (!BORDER && start < pad) start = pad;
    return (stop < end ? stop : end) - start;
}

__device__ inline float divisor(int oy, int ox, int height, int width) {
    return (float)counted(oy, KH, SH, PH, height) * (float)counted(ox, KW, SW, PW, width);
}

// Whether a window's maximum moves to `here` from `value`. The first NaN is larger than any number.
__device__ inline bool surpasses(float here, float value) { return !(here <= value) && value == value; }
