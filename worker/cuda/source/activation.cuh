// The function that the macro ACT names, and its slope from its result, as worker/ops/activation.py defines them. ACT is a
// constant, so that only one branch is compiled.
enum { NONE, RELU, SIGMOID, TANH, SOFTRELU, SOFTSIGN };

__device__ inline float activated(float x) {
    if (ACT == RELU) return x <= 0.0f ? 0.0f : x;  // a NaN is not below 0, and comes through
    if (ACT == TANH) return tanhf(x);
    if (ACT == SOFTSIGN) {
        float size = fabsf(x);
        return size > 3.402823466e38f ? copysignf(1.0f, x) : x / (1.0f + size);  // inf / inf would be NaN
    }
    if (ACT == NONE) return x;
    float small = expf(-fabsf(x));  // in [0, 1]: nothing overflows
    if (ACT == SIGMOID) return x >= 0.0f ? 1.0f / (1.0f + small) : small / (1.0f + small);
    return fmaxf(x, 0.0f) + log1pf(small);  // fmaxf drops a NaN, but log1pf brings it back
}

__device__ inline float slope(float y) {
    if (ACT == RELU) return y > 0.0f ? 1.0f : (y == 0.0f ? 0.0f : y);  // y itself is left for NaN only
    if (ACT == SIGMOID) return y * (1.0f - y);
    if (ACT == TANH) return 1.0f - y * y;
    if (ACT == SOFTRELU) return -expm1f(-y);
    if (ACT == SOFTSIGN) return (1.0f - fabsf(y)) * (1.0f - fabsf(y));
    return 1.0f;
}
