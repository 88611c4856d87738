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

// The arithmetic of ps/rules, operation by operation. A compiler may contract a * b + c to one rounding, but never the
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

// ---- the other rules of ps/rules

__device__ inline float mul(float a, float b) { return __fmul_rn(a, b); }
__device__ inline float add(float a, float b) { return __fadd_rn(a, b); }
__device__ inline float sub(float a, float b) { return __fsub_rn(a, b); }
__device__ inline float over(float a, float b) { return __fdiv_rn(a, b); }
__device__ inline float root(float a) { return __fsqrt_rn(a); }
__device__ inline float clipped(float value, float bound) {
    return value > bound ? bound : (value < -bound ? -bound : value);
}
__device__ inline float with_sign(float size, float value) { return value > 0 ? size : (value < 0 ? -size : 0.0f); }

// Calls `rule` with the index, the rescaled gradient, the rate and the decay of each element of the block's chunk.
template <typename Rule>
__device__ inline void each(const Chunk* chunks, const Now* now, const unsigned long long* word, const float* gradient,
                            float rescale, Rule rule) {
    if (*word != NOTHING) return;
    const Chunk chunk = chunks[blockIdx.x];
    float rate = rate_of(chunk, now);
    rescale = unscaled(rescale, now);
    for (int j = threadIdx.x; j < chunk.length; j += blockDim.x) {
        long long i = chunk.begin + j;
        rule(i, mul(rescale, gradient[i]), rate, chunk.decay);
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

extern "C" __global__ void adam(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                      const float* __restrict__ gradient, float* __restrict__ weight, float* __restrict__ mean, float* __restrict__ var,
                                      float rescale, float clip, float beta1, float rest1, float beta2, float rest2, float epsilon) {
    each(chunks, now, word, gradient, rescale, [&](long long i, float total, float lr, float wd) {
        float g = clipped(add(total, mul(wd, weight[i])), clip);
        float m = add(mul(beta1, mean[i]), mul(rest1, g));
        float v = add(mul(beta2, var[i]), mul(rest2, mul(g, g)));
        mean[i] = m;
        var[i] = v;
        weight[i] = sub(weight[i], over(mul(lr, m), add(root(v), epsilon)));
    });
}

extern "C" __global__ void adamw(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                      const float* __restrict__ gradient, float* __restrict__ weight, float* __restrict__ mean, float* __restrict__ var,
                                      float rescale, float clip, float beta1, float rest1, float beta2, float rest2, float epsilon) {
    each(chunks, now, word, gradient, rescale, [&](long long i, float total, float lr, float wd) {
        float g = clipped(total, clip);
        float m = add(mul(beta1, mean[i]), mul(rest1, g));
        float v = add(mul(beta2, var[i]), mul(rest2, mul(g, g)));
        mean[i] = m;
        var[i] = v;
        weight[i] = sub(weight[i], mul(lr, add(over(m, add(root(v), epsilon)), mul(wd, weight[i]))));
    });
}

extern "C" __global__ void adamax(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                      const float* __restrict__ gradient, float* __restrict__ weight, float* __restrict__ mean, float* __restrict__ var,
                                      float rescale, float clip, float beta1, float rest1, float beta2) {
    each(chunks, now, word, gradient, rescale, [&](long long i, float total, float lr, float wd) {
        float g = clipped(add(total, mul(wd, weight[i])), clip);
        float m = add(mul(beta1, mean[i]), mul(rest1, g));
        float decayed = mul(beta2, var[i]), size = fabsf(g);
        float v = size > decayed ? size : decayed;
        mean[i] = m;
        var[i] = v;
        if (v > 0) weight[i] = sub(weight[i], over(mul(lr, m), v));
    });
}

extern "C" __global__ void adagrad(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                      const float* __restrict__ gradient, float* __restrict__ weight, float* __restrict__ history,
                                      float rescale, float clip, float eps) {
    each(chunks, now, word, gradient, rescale, [&](long long i, float total, float lr, float wd) {
        float g = clipped(total, clip);
        float h = add(history[i], mul(g, g));
        history[i] = h;
        weight[i] = sub(weight[i], mul(lr, add(over(g, root(add(h, eps))), mul(wd, weight[i]))));
    });
}

extern "C" __global__ void adadelta(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                      const float* __restrict__ gradient, float* __restrict__ weight, float* __restrict__ acc_g, float* __restrict__ acc_delta,
                                      float rescale, float clip, float rho, float rest, float epsilon) {
    each(chunks, now, word, gradient, rescale, [&](long long i, float total, float lr, float wd) {
        float g = clipped(total, clip);
        float a = add(mul(rho, acc_g[i]), mul(mul(rest, g), g));
        float delta = mul(over(root(add(acc_delta[i], epsilon)), root(add(a, epsilon))), g);
        acc_g[i] = a;
        acc_delta[i] = add(mul(rho, acc_delta[i]), mul(mul(rest, delta), delta));
        weight[i] = sub(weight[i], add(delta, mul(wd, weight[i])));
    });
}

extern "C" __global__ void rmsprop(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                      const float* __restrict__ gradient, float* __restrict__ weight, float* __restrict__ n,
                                      float rescale, float clip, float gamma1, float rest, float epsilon, float bound) {
    each(chunks, now, word, gradient, rescale, [&](long long i, float total, float lr, float wd) {
        float g = clipped(add(total, mul(wd, weight[i])), clip);
        float s = add(mul(gamma1, n[i]), mul(rest, mul(g, g)));
        n[i] = s;
        weight[i] = clipped(sub(weight[i], over(mul(lr, g), root(add(s, epsilon)))), bound);
    });
}

extern "C" __global__ void rmsprop_centered(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                      const float* __restrict__ gradient, float* __restrict__ weight, float* __restrict__ n, float* __restrict__ mean, float* __restrict__ delta,
                                      float rescale, float clip, float gamma1, float rest, float epsilon, float bound, float gamma2) {
    each(chunks, now, word, gradient, rescale, [&](long long i, float total, float lr, float wd) {
        float g = clipped(add(total, mul(wd, weight[i])), clip);
        float s = add(mul(gamma1, n[i]), mul(rest, mul(g, g)));
        float m = add(mul(gamma1, mean[i]), mul(rest, g));
        float d = sub(mul(gamma2, delta[i]), over(mul(lr, g), root(add(sub(s, mul(m, m)), epsilon))));
        n[i] = s;
        mean[i] = m;
        delta[i] = d;
        weight[i] = clipped(add(weight[i], d), bound);
    });
}

extern "C" __global__ void ftrl(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                      const float* __restrict__ gradient, float* __restrict__ weight, float* __restrict__ z, float* __restrict__ n,
                                      float rescale, float clip, float lamda1, float beta) {
    each(chunks, now, word, gradient, rescale, [&](long long i, float total, float lr, float wd) {
        float g = clipped(total, clip);
        float after = add(n[i], mul(g, g));
        float lead = add(z[i], sub(g, over(mul(sub(root(after), root(n[i])), weight[i]), lr)));
        float far = over(sub(with_sign(lamda1, lead), lead), add(over(add(beta, root(after)), lr), wd));
        z[i] = lead;
        n[i] = after;
        weight[i] = fabsf(lead) > lamda1 ? far : 0.0f;
    });
}
