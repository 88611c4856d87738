#include "index.cuh"
#include "sums.cuh"

// data and out (rows, classes, positions); label (rows, positions), or of data's shape if it holds probabilities.

// The largest value of a block of whole warps; all threads get it. For one use in a kernel: `parts` is not freed.
static __device__ float block_max(float value) {
    __shared__ float parts[32];
    for (int d = 16; d; d >>= 1) value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, d));
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    for (int warp = 0; warp < (int)blockDim.x / 32; warp++) value = fmaxf(value, parts[warp]);
    return value;
}

// positions == 1: a block per row. fmaxf passes over a NaN, but with the sum it spreads over the whole row.
extern "C" __global__ void softmax_of_rows(const float* data, float* out, int classes) {
    const float* row = data + (long long)blockIdx.x * classes;
    float* target = out + (long long)blockIdx.x * classes;
    float largest = __int_as_float(0xff800000), sum = 0.0f;
    for (int k = threadIdx.x; k < classes; k += blockDim.x) largest = fmaxf(largest, row[k]);
    largest = block_max(largest);
    for (int k = threadIdx.x; k < classes; k += blockDim.x) {
        float power = expf(row[k] - largest);
        target[k] = power;
        sum += power;
    }
    sum = block_sum(sum);
    for (int k = threadIdx.x; k < classes; k += blockDim.x) target[k] /= sum;
}

// A thread per row and position: neighbouring threads read neighbouring positions.
extern "C" __global__ void softmax_of_positions(const float* data, float* out, long long count, int classes,
                                                long long positions) {
    long long i = thread_number();
    if (i >= count) return;
    long long row = quotient(i, positions), first = row * classes * positions + (i - row * positions);
    float largest = __int_as_float(0xff800000), sum = 0.0f;
    for (int k = 0; k < classes; k++) largest = fmaxf(largest, data[first + k * positions]);
    for (int k = 0; k < classes; k++) {
        float power = expf(data[first + k * positions] - largest);
        out[first + k * positions] = power;
        sum += power;
    }
    for (int k = 0; k < classes; k++) out[first + k * positions] /= sum;
}

// grad = (out - target) * grad_scale / count / divisor, times the head gradient if HEAD; the target is `on` for the
// label's class and `off` for the others. `count` is read if NORMALIZE. A label that is no class is noted in `wrong`.
extern "C" __global__ void grad_from_classes(const float* out, const float* label, const float* head, float* grad,
                                             unsigned long long* wrong, const float* count, double grad_scale,
                                             double divisor, float on, float off, float ignored, long long size,
                                             int classes, long long positions) {
    __shared__ float scale;
    if (threadIdx.x == 0) {  // in double precision, and rounded once, as on the host
        double counted = NORMALIZE && *count > 1.0f ? (double)*count : 1.0;
        scale = (float)(grad_scale / counted / divisor);
    }
    __syncthreads();
    long long i = thread_number();
    if (i >= size) return;
    long long line = quotient(i, positions), row = quotient(line, classes);
    int k = (int)(line - row * classes);
    long long index = row * positions + (i - line * positions);
    float value = label[index];
    bool ignore = IGNORE && value == ignored;
    bool valid = value >= 0.0f && (double)value < classes && value == truncf(value);
    if (!ignore && !valid && k == 0) {
        atomicMin(wrong, (unsigned long long)index << 32 | __float_as_uint(value));
    }
    float difference = ignore || !valid ? 0.0f : (out[i] - (k == (int)value ? on : off)) * scale;
    grad[i] = HEAD ? difference * head[i] : difference;
}

// The same for labels that are probabilities, of the output's shape.
extern "C" __global__ void grad_from_probabilities(const float* out, const float* label, const float* head,
                                                   float* grad, float scale, long long size) {
    long long i = thread_number();
    if (i >= size) return;
    float difference = (out[i] - label[i]) * scale;
    grad[i] = HEAD ? difference * head[i] : difference;
}
