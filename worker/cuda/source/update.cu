#include "now.cuh"
#include "update.cuh"

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

extern "C" __global__ void sgd_momentum(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                        const float* __restrict__ gradient, float* __restrict__ weight,
                                        float* __restrict__ mom, float rescale, float clip, float momentum) {
    if (*word != NOTHING) return;
    const Chunk chunk = chunks[blockIdx.x];
    float rate = (float)rate_of(chunk, now), decay = (float)chunk.decay;
    rescale = unscaled(rescale, now);
    #pragma unroll 4
    for (int j = threadIdx.x; j < chunk.length; j += blockDim.x) {
        long long i = chunk.begin + j;
        float m = __fmul_rn(momentum, mom[i]);
        m = __fsub_rn(m, step_of(gradient[i], weight[i], rate, decay, rescale, clip));
        mom[i] = m;
        weight[i] = __fadd_rn(weight[i], m);
    }
}

extern "C" __global__ void sgd(const Chunk* chunks, const Now* now, const unsigned long long* word,
                               const float* __restrict__ gradient,
                               float* __restrict__ weight, float rescale, float clip) {
    if (*word != NOTHING) return;
    const Chunk chunk = chunks[blockIdx.x];
    float rate = (float)rate_of(chunk, now), decay = (float)chunk.decay;
    rescale = unscaled(rescale, now);
    #pragma unroll 4
    for (int j = threadIdx.x; j < chunk.length; j += blockDim.x) {
        long long i = chunk.begin + j;
        weight[i] = __fsub_rn(weight[i], step_of(gradient[i], weight[i], rate, decay, rescale, clip));
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

extern "C" __global__ void nag(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                      const float* __restrict__ gradient, float* __restrict__ weight, float* __restrict__ mom,
                                      float rescale, float clip, float momentum) {
    each(chunks, now, word, gradient, rescale, [&](long long i, float total, float lr, float wd) {
        float g = clipped(total, clip), kept = mul(momentum, mom[i]);
        float step = mul(lr, add(g, mul(wd, weight[i])));
        float w = add(weight[i], sub(mul(momentum, sub(kept, step)), step));
        weight[i] = w;
        mom[i] = sub(kept, mul(lr, add(g, mul(wd, w))));
    });
}

extern "C" __global__ void signum(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                      const float* __restrict__ gradient, float* __restrict__ weight, float* __restrict__ mom,
                                      float rescale, float clip, float momentum, float rest, float wd_lh) {
    each(chunks, now, word, gradient, rescale, [&](long long i, float total, float lr, float wd) {
        float g = add(clipped(total, clip), mul(wd, weight[i]));
        float m = sub(mul(momentum, mom[i]), mul(rest, g));
        mom[i] = m;
        weight[i] = add(sub(weight[i], mul(mul(lr, wd_lh), weight[i])), with_sign(lr, m));
    });
}

extern "C" __global__ void signsgd(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                      const float* __restrict__ gradient, float* __restrict__ weight,
                                      float rescale, float clip) {
    each(chunks, now, word, gradient, rescale, [&](long long i, float total, float lr, float wd) {
        weight[i] = sub(sub(weight[i], mul(mul(lr, wd), weight[i])), with_sign(lr, total));
    });
}
