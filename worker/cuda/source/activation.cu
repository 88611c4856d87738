#include "index.cuh"
#include "quads.cuh"
#include "activation.cuh"

// A thread has four neighbouring elements. Arrays are float32 of one size, and may be the same.

extern "C" __global__ void activate(const float* x, float* y, long long size) {
    long long first = 4 * thread_number();
    if (first >= size) return;
    Quad quad = load(x, first, size);
    for (int j = 0; j < 4; j++) quad.at[j] = activated(quad.at[j]);
    store(y, first, size, quad);
}

extern "C" __global__ void slope_times(const float* y, const float* grad, float* target, long long size) {
    long long first = 4 * thread_number();
    if (first >= size) return;
    Quad value = load(y, first, size), quad = load(grad, first, size);
    for (int j = 0; j < 4; j++) quad.at[j] *= slope(value.at[j]);
    store(target, first, size, quad);
}

// x (rows, channels, inner) and bias (channels,), in place.
extern "C" __global__ void activate_with_bias(float* x, const float* bias, long long size, int channels,
                                              long long inner) {
    long long first = 4 * thread_number();
    if (first >= size) return;
    // Divisions once for the first element; the other three count on.
    long long plane = quotient(first, inner), within = first - plane * inner;
    int channel = (int)(plane - quotient(plane, channels) * channels);
    Quad quad = load(x, first, size);
    for (int j = 0; j < 4; j++) {
        quad.at[j] = activated(quad.at[j] + bias[channel]);
        if (++within == inner) {
            within = 0;
            if (++channel == channels) channel = 0;
        }
    }
    store(x, first, size, quad);
}
