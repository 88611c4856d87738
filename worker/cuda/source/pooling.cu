#include "index.cuh"
#include "windows.cuh"

// A thread per window. Elements are taken in row-major order, as the plain version does, for the same bits.
extern "C" __global__ void forward(const float* data, float* out, TAP* taps, long long count, int height, int width,
                                   int out_height, int out_width) {
    long long i = thread_number();
    if (i >= count) return;
    Place window = place(i, out_height, out_width);
    const float* plane = data + window.plane * height * width;
    // The border is -infinity: if nothing is larger, tap 0 is the first of the largest, even if it lies in the border.
    float value = POOL == MAX ? __int_as_float(0xff800000) : 0.0f;
    int kept = 0;
    for (int ty = 0; ty < KH; ty++) {
        int y = window.y * SH - PH + ty;
        if (y < 0 || y >= height) continue;
        for (int tx = 0; tx < KW; tx++) {
            int x = window.x * SW - PW + tx;
            if (x < 0 || x >= width) continue;
            float here = plane[(long long)y * width + x];
            if (POOL != MAX) {
                value += here;
            } else if (surpasses(here, value)) {
                value = here;
                kept = ty * KW + tx;
            }
        }
    }
    out[i] = POOL == AVG ? value / divisor(window.y, window.x, height, width) : value;
    if (POOL == MAX) taps[i] = (TAP)kept;
}

// A thread per element of the data: it looks at the windows that cover it, in the order of its place in them, so that no two
// threads add to the same number.
extern "C" __global__ void backward(const float* grad, const TAP* taps, float* target, long long count, int height,
                                    int width, int out_height, int out_width) {
    long long i = thread_number();
    if (i >= count) return;
    Place here = place(i, height, width);
    int y = here.y + PH, x = here.x + PW;
    float sum = 0.0f;
    // A window that has this element at tap ty begins at y - ty, which must be a multiple of the stride, and not negative.
    for (int ty = y % SH; ty < KH && ty <= y; ty += SH) {
        int oy = (y - ty) / SH;
        if (oy >= out_height) continue;
        for (int tx = x % SW; tx < KW && tx <= x; tx += SW) {
            int ox = (x - tx) / SW;
            if (ox >= out_width) continue;
            long long window = (here.plane * out_height + oy) * out_width + ox;
            if (POOL == MAX) {
                if ((int)taps[window] == ty * KW + tx) sum += grad[window];
            } else {
                sum += POOL == AVG ? grad[window] / divisor(oy, ox, height, width) : grad[window];
            }
        }
    }
    target[i] = sum;
}
