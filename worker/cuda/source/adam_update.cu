#include "now.cuh"
#include "update.cuh"

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

// What changes from update to update: the factors of gradient and mean, and the divisor of var.
extern "C" __global__ void nadam(const Chunk* chunks, const Now* now, const unsigned long long* word,
                                      const float* __restrict__ gradient, float* __restrict__ weight, float* __restrict__ mean, float* __restrict__ var,
                                      float rescale, float clip, float beta1, float rest1, float beta2, float rest2, float epsilon) {
    float of_gradient = now->numbers[0], of_mean = now->numbers[1], unbias = now->numbers[2];
    each(chunks, now, word, gradient, rescale, [&](long long i, float total, float lr, float wd) {
        float g = clipped(add(total, mul(wd, weight[i])), clip);
        float m = add(mul(beta1, mean[i]), mul(rest1, g));
        float v = add(mul(beta2, var[i]), mul(rest2, mul(g, g)));
        mean[i] = m;
        var[i] = v;
        float ahead = add(mul(of_gradient, g), mul(of_mean, m));
        weight[i] = sub(weight[i], over(mul(lr, ahead), add(root(over(v, unbias)), epsilon)));
    });
}
