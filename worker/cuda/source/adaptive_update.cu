#include "now.cuh"
#include "update.cuh"

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
