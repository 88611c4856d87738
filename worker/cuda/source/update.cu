#include "now.cuh"

// A part of one key's range, the work of one block: see worker/training/gpu/update.py, which fills these.
struct Chunk {
    long long begin;
    double rate_multiplier;
    int length, key;
    float decay;
    int unused;
};

// `word` holds the step (high half) and the key of the first gradient that was not finite, or this if all were. An update
// leaves the weights alone unless it is this: they can be looked at as they were before.
#define NOTHING 0xffffffffffffffffULL

// Infinity and NaN have an exponent of all ones. Finding them by bits, no compiler flag can take the test away.
extern "C" __global__ void find_non_finite(const Chunk* chunks, const Now* now, unsigned long long* word,
                                           const float* gradient) {
    const Chunk chunk = chunks[blockIdx.x];
    bool found = false;
    #pragma unroll 4
    for (int i = threadIdx.x; i < chunk.length; i += blockDim.x) {
        found |= (__float_as_uint(gradient[chunk.begin + i]) & 0x7fffffffu) >= 0x7f800000u;
    }
    if (found) atomicMin(word, (unsigned long long)now->number << 32 | (unsigned)chunk.key);
}

// The arithmetic of ps/kernels.py, operation by operation. A compiler may contract a * b + c to one rounding, but never the
// intrinsics __fmul_rn and __fadd_rn: so the bits are the host's.

// Gradients come multiplied by the loss's scale, a power of two: dividing by it changes no digit.
__device__ inline float unscaled(float rescale, const Now* now) { return rescale / now->scale; }

__device__ inline float rate_of(const Chunk& chunk, const Now* now) {
    return (float)((double)now->rate * chunk.rate_multiplier);
}

__device__ inline float step_of(float gradient, float weight, float rate, float decay, float rescale, float clip) {
    float g = __fmul_rn(rescale, gradient);
    g = g > clip ? clip : (g < -clip ? -clip : g);
    return __fmul_rn(rate, __fadd_rn(g, __fmul_rn(decay, weight)));
}

extern "C" __global__ void sgd_momentum(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                        const float* __restrict__ gradient, float* __restrict__ weight,
                                        float* __restrict__ mom, float rescale, float clip, float momentum) {
    if (*word != NOTHING) return;
    const Chunk chunk = chunks[blockIdx.x];
    float rate = rate_of(chunk, now);
    rescale = unscaled(rescale, now);
    #pragma unroll 4
    for (int j = threadIdx.x; j < chunk.length; j += blockDim.x) {
        long long i = chunk.begin + j;
        float m = __fmul_rn(momentum, mom[i]);
        m = __fsub_rn(m, step_of(gradient[i], weight[i], rate, chunk.decay, rescale, clip));
        mom[i] = m;
        weight[i] = __fadd_rn(weight[i], m);
    }
}

extern "C" __global__ void sgd(const Chunk* chunks, const Now* now, const unsigned long long* word,
                               const float* __restrict__ gradient,
                               float* __restrict__ weight, float rescale, float clip) {
    if (*word != NOTHING) return;
    const Chunk chunk = chunks[blockIdx.x];
    float rate = rate_of(chunk, now);
    rescale = unscaled(rescale, now);
    #pragma unroll 4
    for (int j = threadIdx.x; j < chunk.length; j += blockDim.x) {
        long long i = chunk.begin + j;
        weight[i] = __fsub_rn(weight[i], step_of(gradient[i], weight[i], rate, chunk.decay, rescale, clip));
    }
}

// weight += rescale * gradient: the optimizer `test`.
extern "C" __global__ void add_scaled(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                      const float* __restrict__ gradient, float* __restrict__ weight, float rescale) {
    if (*word != NOTHING) return;
    const Chunk chunk = chunks[blockIdx.x];
    rescale = unscaled(rescale, now);
    #pragma unroll 4
    for (int j = threadIdx.x; j < chunk.length; j += blockDim.x) {
        long long i = chunk.begin + j;
        weight[i] = __fadd_rn(weight[i], __fmul_rn(rescale, gradient[i]));
    }
}
