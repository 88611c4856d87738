#include "halves.cuh"
#include "index.cuh"
#include "packs.cuh"
#include "windows.cuh"

// Pooling of arrays with channels last; see windows.cuh, and pooling.cu for the loops. A thread has a pack of channels.
// RESULT is the type of the output, ELEMENT that of the data.

struct alignas(PACK * sizeof(TAP) < 16 ? PACK * sizeof(TAP) : 16) Taps {
    TAP at[PACK];
};

struct Spot {
    Place place;
    int pack;
};

__device__ inline Spot spot(long long i, int packs, int height, int width) {
    long long pixel = quotient(i, packs);
    return {place(pixel, height, width), (int)(i - pixel * packs)};
}

// The data's pack at (y, x) of an image.
__device__ inline long long pack_at(const Spot& s, int packs, int y, int x, int height, int width) {
    return ((s.place.plane * height + y) * width + x) * packs + s.pack;
}

extern "C" __global__ void forward(const ELEMENT* data, RESULT* out, TAP* taps, long long count, int packs, int height,
                                   int width, int out_height, int out_width) {
    long long i = thread_number();
    if (i >= count) return;
    Spot window = spot(i, packs, out_height, out_width);
    Numbers values;
    Taps kept;
    for (int j = 0; j < PACK; j++) {
        values.at[j] = POOL == MAX ? __int_as_float(0xff800000) : 0.0f;
        kept.at[j] = 0;
    }
    for (int ty = 0; ty < KH; ty++) {
        int y = window.place.y * SH - PH + ty;
        if (y < 0 || y >= height) continue;
        for (int tx = 0; tx < KW; tx++) {
            int x = window.place.x * SW - PW + tx;
            if (x < 0 || x >= width) continue;
            Numbers here = read(data, pack_at(window, packs, y, x, height, width));
            for (int j = 0; j < PACK; j++) {
                if (POOL != MAX) {
                    values.at[j] += here.at[j];
                } else if (surpasses(here.at[j], values.at[j])) {
                    values.at[j] = here.at[j];
                    kept.at[j] = (TAP)(ty * KW + tx);
                }
            }
        }
    }
    if (POOL == AVG) {
        float over = divisor(window.place.y, window.place.x, height, width);
        for (int j = 0; j < PACK; j++) values.at[j] /= over;
    }
    write(out, i, values);
    if (POOL == MAX) ((Taps*)taps)[i] = kept;
}

extern "C" __global__ void backward(const RESULT* grad, const TAP* taps, ELEMENT* target, long long count, int packs,
                                    int height, int width, int out_height, int out_width) {
    long long i = thread_number();
    if (i >= count) return;
    Spot here = spot(i, packs, height, width);
    int y = here.place.y + PH, x = here.place.x + PW;
    Numbers sums;
    for (int j = 0; j < PACK; j++) sums.at[j] = 0.0f;
    for (int ty = y % SH; ty < KH && ty <= y; ty += SH) {
        int oy = (y - ty) / SH;
        if (oy >= out_height) continue;
        for (int tx = x % SW; tx < KW && tx <= x; tx += SW) {
            int ox = (x - tx) / SW;
            if (ox >= out_width) continue;
            long long window = pack_at(here, packs, oy, ox, out_height, out_width);
            Numbers given = read(grad, window);
            float over = POOL == AVG ? divisor(oy, ox, height, width) : 1.0f;
            Taps kept = {};
            if (POOL == MAX) kept = ((const Taps*)taps)[window];
            for (int j = 0; j < PACK; j++) {
                if (POOL != MAX) sums.at[j] += given.at[j] / over;
                if (POOL == MAX && (int)kept.at[j] == ty * KW + tx) sums.at[j] += given.at[j];
            }
        }
    }
    write(target, i, sums);
}
