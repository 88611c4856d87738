#include "now.cuh"
#include "update.cuh"
#include "philox.cuh"

// Normal numbers with the bits of ps/philox.py: see there.
__device__ inline double logarithm(double value) {
    const double artanh[] = {1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1.0};
    double exponent = 0;
    for (; value < 0.7071067811865476; exponent -= 1) value *= 2;
    double x = over(add(value, -1.0), add(value, 1.0)), total = 0;
    #pragma unroll
    for (double coefficient : artanh) total = add(mul(total, mul(x, x)), coefficient);
    return add(mul(exponent, 0.6931471805599453), mul(mul(2.0, x), total));
}

__device__ inline double cosine_of_quarters(double turn) {
    const double sine[] = {1 / 51090942171709440000.0, -1 / 121645100408832000.0, 1 / 355687428096000.0,
                           -1 / 1307674368000.0, 1 / 6227020800.0, -1 / 39916800.0, 1 / 362880.0, -1 / 5040.0,
                           1 / 120.0, -1 / 6.0, 1.0};
    double x = mul(1.5707963267948966, turn <= 2 ? add(1.0, -turn) : add(turn, -3.0)), total = 0;
    #pragma unroll
    for (double coefficient : sine) total = add(mul(total, mul(x, x)), coefficient);
    return mul(x, total);
}

__device__ inline double normal(unsigned long long seed, long long element, unsigned t, unsigned stream) {
    Words words = philox(element, t, stream, (unsigned)seed, (unsigned)(seed >> 32));
    double radius = root(mul(-2.0, logarithm(((double)words.at[0] + 1) / 4294967296.0)));
    return mul(radius, cosine_of_quarters((double)words.at[1] / 1073741824.0));
}

extern "C" __global__ void sgld(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                const float* __restrict__ gradient, float* __restrict__ weight, const Key* keys,
                                float rescale, float clip, unsigned long long seed) {
    const Chunk chunk = chunks[blockIdx.x];
    const Key key = keys[chunk.key];
    double rate = rate_of(chunk, now), deviation = (float)root(rate);
    float half = (float)(rate / 2);
    each(chunks, now, word, gradient, rescale, [&](long long i, float total, float, float wd) {
        float w = sub(weight[i], mul(half, add(clipped(total, clip), mul(wd, weight[i]))));
        double noise = normal(seed, i - key.begin, (unsigned)now->update, key.stream);
        weight[i] = (float)add((double)w, mul(deviation, noise));
    });
}
