// What the updates of all optimizers share: tables of what they update, and the arithmetic of ps/rules. The tables are
// filled by worker/training/gpu/update_tables.py, whose fields these are.

// A part of one key's range, the work of one block.
struct Chunk {
    long long begin;
    double rate_multiplier, decay;
    int length, key;
};

// A key: where it begins, its chunks, a word for its random numbers, and whether lars adapts its rate.
struct Key {
    long long begin;
    double rate_multiplier, decay;
    int first_chunk, chunks;
    unsigned stream;
    int adapts;
};

// `word` holds the step (high half) and the key of the first gradient that was not finite, or this if all were. An update
// leaves the weights alone unless it is this: they can be looked at as they were before.
#define NOTHING 0xffffffffffffffffULL

// The arithmetic of ps/rules, operation by operation. A compiler may contract a * b + c to one rounding, but never the
// intrinsics __fmul_rn and __fadd_rn: so the bits are the host's.
__device__ inline float mul(float a, float b) { return __fmul_rn(a, b); }
__device__ inline float add(float a, float b) { return __fadd_rn(a, b); }
__device__ inline float sub(float a, float b) { return __fsub_rn(a, b); }
__device__ inline float over(float a, float b) { return __fdiv_rn(a, b); }
__device__ inline float root(float a) { return __fsqrt_rn(a); }
__device__ inline double mul(double a, double b) { return __dmul_rn(a, b); }
__device__ inline double add(double a, double b) { return __dadd_rn(a, b); }
__device__ inline double over(double a, double b) { return __ddiv_rn(a, b); }
__device__ inline double root(double a) { return __dsqrt_rn(a); }

__device__ inline float clipped(float value, float bound) {
    return value > bound ? bound : (value < -bound ? -bound : value);
}
__device__ inline float with_sign(float size, float value) { return value > 0 ? size : (value < 0 ? -size : 0.0f); }

// Gradients come multiplied by the loss's scale, a power of two: dividing by it changes no digit.
__device__ inline float unscaled(float rescale, const Now* now) { return rescale / now->scale; }

template <typename Part>  // a chunk or a key
__device__ inline double rate_of(const Part& part, const Now* now) { return now->rate * part.rate_multiplier; }

__device__ inline float step_of(float gradient, float weight, float rate, float decay, float rescale, float clip) {
    return mul(rate, add(clipped(mul(rescale, gradient), clip), mul(decay, weight)));
}

// Calls `rule` with the index, the rescaled gradient, the rate and the decay of each element of the block's chunk.
template <typename Rule>
__device__ inline void each(const Chunk* chunks, const Now* now, const unsigned long long* word, const float* gradient,
                            float rescale, Rule rule) {
    if (*word != NOTHING) return;
    const Chunk chunk = chunks[blockIdx.x];
    float rate = (float)rate_of(chunk, now), decay = (float)chunk.decay;
    rescale = unscaled(rescale, now);
    for (int j = threadIdx.x; j < chunk.length; j += blockDim.x) {
        long long i = chunk.begin + j;
        rule(i, mul(rescale, gradient[i]), rate, decay);
    }
}
