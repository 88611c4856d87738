#include "now.cuh"

// As in update.cuh: the word tells where a gradient was not finite, and is all ones if all were.
#define NOTHING 0xffffffffffffffffULL

__device__ inline bool is_finite(float value) { return (__float_as_uint(value) & 0x7fffffffu) < 0x7f800000u; }

// Makes the gradient of a loss so large that 16 bits do not round what follows from it to zero.
extern "C" __global__ void scale_up(float* gradient, const Now* now, long long count) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < count) gradient[i] *= now->scale;
}

// Takes the scale out of a gradient again. What was too large for 16 bits becomes zero, unless it is to be seen.
extern "C" __global__ void scale_down(float* gradient, const Now* now, unsigned long long* word, long long count,
                                      int seen) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= count) return;
    if (is_finite(gradient[i])) {
        gradient[i] /= now->scale;
    } else {
        if (!seen) gradient[i] = 0;
        atomicMin(word, (unsigned long long)now->number << 32);
    }
}

// After a step: halves the scale if something was too large, doubles it after `patience` steps without. A scale of 1 cannot
// be the reason: then the word stays, and the host reports it.
extern "C" __global__ void adjust(Now* now, unsigned long long* word, int* good, int patience, float largest) {
    if (*word != NOTHING) {
        *good = 0;
        if (now->scale <= 1) return;
        now->scale *= 0.5f;
        *word = NOTHING;
    } else if (++*good >= patience) {
        *good = 0;
        if (now->scale < largest) now->scale *= 2;
    }
}
