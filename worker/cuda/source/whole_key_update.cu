#include "now.cuh"
#include "update.cuh"
#include "sums.cuh"

// Updates by norms of whole keys, in three launches: sums of squares of every chunk; every key's rate; the step.
// The sums have the shape of ps/rules/whole_keys.py: a block's threads are its lanes.

// `sums` has two numbers per chunk: of the weight, and of what moves it.
__device__ inline void keep(double* sums, double of_weight, double of_direction) {
    of_weight = block_sum(of_weight);
    of_direction = block_sum(of_direction);
    if (threadIdx.x == 0) {
        sums[2 * blockIdx.x] = of_weight;
        sums[2 * blockIdx.x + 1] = of_direction;
    }
}

__device__ inline double with_square(double total, float value) { return add(total, mul((double)value, (double)value)); }

// The root of a key's sum of squares: of its weight (0) or of what moves it (1).
__device__ inline double norm(const Key& key, const double* sums, int which) {
    double total = 0;
    for (int c = threadIdx.x; c < key.chunks; c += blockDim.x)
        total = add(total, sums[2 * (key.first_chunk + (long long)c) + which]);
    return root(block_sum(total));
}

__device__ inline float lamb_direction(float mean, float var, float weight, float wd, float epsilon, const Now* now) {
    float size = add(root(over(var, now->numbers[1])), epsilon);
    return add(over(over(mean, now->numbers[0]), size), mul(wd, weight));
}

extern "C" __global__ void lamb_moments(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                        const float* __restrict__ gradient, const float* __restrict__ weight,
                                        float* __restrict__ mean, float* __restrict__ var, double* __restrict__ sums,
                                        float rescale, float clip, float beta1, float rest1, float beta2, float rest2,
                                        float epsilon) {
    double of_weight = 0, of_direction = 0;
    each(chunks, now, word, gradient, rescale, [&](long long i, float total, float, float wd) {
        float g = clipped(total, clip);
        mean[i] = add(mul(beta1, mean[i]), mul(rest1, g));
        var[i] = add(mul(beta2, var[i]), mul(rest2, mul(g, g)));
        of_weight = with_square(of_weight, weight[i]);
        of_direction = with_square(of_direction, lamb_direction(mean[i], var[i], weight[i], wd, epsilon, now));
    });
    keep(sums, of_weight, of_direction);
}

extern "C" __global__ void lamb_rates(const Key* keys, const Now* now, const unsigned long long* word,
                                      const double* __restrict__ sums, float* __restrict__ rates, double low, double high) {
    if (*word != NOTHING) return;
    const Key key = keys[blockIdx.x];
    double of_weight = norm(key, sums, 0), of_direction = norm(key, sums, 1);
    double bounded = of_weight < low ? low : (of_weight > high ? high : of_weight);
    double ratio = bounded != 0 && of_direction != 0 ? over(bounded, of_direction) : 1;
    if (threadIdx.x == 0) rates[blockIdx.x] = mul((float)rate_of(key, now), (float)ratio);
}

extern "C" __global__ void lamb(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                float* __restrict__ weight, const float* __restrict__ mean, const float* __restrict__ var,
                                const float* __restrict__ rates, float epsilon) {
    if (*word != NOTHING) return;
    const Chunk chunk = chunks[blockIdx.x];
    float rate = rates[chunk.key], wd = (float)chunk.decay;
    for (int j = threadIdx.x; j < chunk.length; j += blockDim.x) {
        long long i = chunk.begin + j;
        weight[i] = sub(weight[i], mul(rate, lamb_direction(mean[i], var[i], weight[i], wd, epsilon, now)));
    }
}

extern "C" __global__ void lars_squares(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                        const float* __restrict__ gradient, const float* __restrict__ weight,
                                        double* __restrict__ sums) {
    double of_weight = 0, of_gradient = 0;
    each(chunks, now, word, gradient, now->scale, [&](long long i, float total, float, float) {
        of_weight = with_square(of_weight, weight[i]);
        of_gradient = with_square(of_gradient, total);
    });
    keep(sums, of_weight, of_gradient);
}

extern "C" __global__ void lars_rates(const Key* keys, const Now* now, const unsigned long long* word,
                                      const double* __restrict__ sums, float* __restrict__ rates, double rescale, double eta,
                                      double eps) {
    if (*word != NOTHING) return;
    const Key key = keys[blockIdx.x];
    double of_weight = norm(key, sums, 0), of_gradient = norm(key, sums, 1), rate = rate_of(key, now);
    if (key.adapts && of_weight != 0 && of_gradient != 0) {
        // Only here the scale of the loss, a power of two, is taken out of the gradient: that changes no digit.
        double size = add(mul(over(of_gradient, (double)now->scale), rescale), mul(key.decay, of_weight));
        rate = over(mul(mul(rate, eta), of_weight), add(size, eps));
    }
    if (threadIdx.x == 0) rates[blockIdx.x] = (float)rate;
}

extern "C" __global__ void lars(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                const float* __restrict__ gradient, float* __restrict__ weight,
                                const float* __restrict__ rates, float rescale, float clip) {
    if (*word != NOTHING) return;
    const Chunk chunk = chunks[blockIdx.x];
    float rate = rates[chunk.key], decay = (float)chunk.decay;
    rescale = unscaled(rescale, now);
    for (int j = threadIdx.x; j < chunk.length; j += blockDim.x) {
        long long i = chunk.begin + j;
        weight[i] = sub(weight[i], step_of(gradient[i], weight[i], rate, decay, rescale, clip));
    }
}

extern "C" __global__ void lars_momentum(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                         const float* __restrict__ gradient, float* __restrict__ weight,
                                         float* __restrict__ mom, const float* __restrict__ rates, float rescale,
                                         float clip) {
    if (*word != NOTHING) return;
    const Chunk chunk = chunks[blockIdx.x];
    float rate = rates[chunk.key], decay = (float)chunk.decay, momentum = now->numbers[0];
    rescale = unscaled(rescale, now);
    for (int j = threadIdx.x; j < chunk.length; j += blockDim.x) {
        long long i = chunk.begin + j;
        float m = sub(mul(momentum, mom[i]), step_of(gradient[i], weight[i], rate, decay, rescale, clip));
        mom[i] = m;
        weight[i] = add(weight[i], m);
    }
}
