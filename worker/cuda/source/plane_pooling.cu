#include "index.cuh"
#include "largest.cuh"
#include "sums.cuh"

// One window over each whole plane. POOL names what is taken of it.
enum { MAX, AVG, SUM };

// A warp per plane. A lane that has seen nothing has -infinity at the largest index, so that any element of the plane wins,
// -infinity too.
extern "C" __global__ void forward(const float* data, float* out, int* winners, long long planes, int pixels) {
    long long plane = thread_number() / 32;
    if (plane >= planes) return;
    const float* values = data + plane * pixels;
    int lane = threadIdx.x % 32, kept = 0x7fffffff;
    float best = __int_as_float(0xff800000), sum = 0.0f;
    for (int p = lane; p < pixels; p += 32) {
        if (POOL != MAX) {
            sum += values[p];
        } else if (wins(values[p], p, best, kept)) {
            best = values[p];
            kept = p;
        }
    }
    if (POOL != MAX) {
        sum = warp_sum(sum);
        best = POOL == AVG ? sum / (float)pixels : sum;
    }
    for (int distance = POOL == MAX ? 16 : 0; distance; distance >>= 1) {
        float value = __shfl_xor_sync(0xffffffffu, best, distance);
        int index = __shfl_xor_sync(0xffffffffu, kept, distance);
        if (wins(value, index, best, kept)) {
            best = value;
            kept = index;
        }
    }
    if (lane != 0) return;
    out[plane] = best;
    if (POOL == MAX) winners[plane] = kept;
}

// A thread per element of the data.
extern "C" __global__ void backward(const float* grad, const int* winners, float* target, long long count, int pixels) {
    long long i = thread_number();
    if (i >= count) return;
    long long plane = quotient(i, pixels);
    float value = grad[plane];
    if (POOL == AVG) value /= (float)pixels;
    if (POOL == MAX && winners[plane] != (int)(i - plane * pixels)) value = 0.0f;
    target[i] = value;
}
