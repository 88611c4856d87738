#include "index.cuh"
#include "sums.cuh"

// Sums of grad (rows, channels, inner) over rows and inner. Block (b, s) of the grid adds up part s of the rows, one of
// gridDim.y, and writes to out[s]; another launch adds up the parts. No atomics: their order, and so the last bits, would
// differ from run to run.

// inner > 1: a block per channel and part.
extern "C" __global__ void plane_sums(const float* grad, float* out, long long rows, int channels, long long inner) {
    long long per_part = quotient(rows + gridDim.y - 1, gridDim.y), row = per_part * blockIdx.y;
    long long count = (row + per_part < rows ? per_part : rows - row) * inner;
    float sum = 0.0f;
    for (long long e = threadIdx.x; e < count; e += blockDim.x) {
        long long below = quotient(e, inner);
        sum += grad[((row + below) * channels + blockIdx.x) * inner + (e - below * inner)];
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) out[(long long)blockIdx.y * channels + blockIdx.x] = sum;
}

// inner == 1: 32 neighbouring channels and a part per block, whose 8 warps take turns with the rows.
extern "C" __global__ void column_sums(const float* grad, float* out, long long rows, int channels, long long inner) {
    __shared__ float sums[8][32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, channel = blockIdx.x * 32 + lane;
    long long per_part = quotient(rows + gridDim.y - 1, gridDim.y), first = per_part * blockIdx.y;
    long long last = first + per_part < rows ? first + per_part : rows;
    float sum = 0.0f;
    if (channel < channels) {
        for (long long row = first + warp; row < last; row += 8) sum += grad[row * channels + channel];
    }
    sums[warp][lane] = sum;
    __syncthreads();
    for (int half = 4; half; half >>= 1) {
        if (warp < half) sums[warp][lane] += sums[warp + half][lane];
        __syncthreads();
    }
    if (warp == 0 && channel < channels) out[(long long)blockIdx.y * channels + channel] = sums[0][lane];
}
