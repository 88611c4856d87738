#include "halves.cuh"
#include "index.cuh"
#include "packs.cuh"
#include "activation.cuh"
#include "batch_norm.cuh"

// What batch_norm.cu does with float32 planes, for arrays that lie in memory as (rows, channels), channels = packs * PACK.
// A block has `width` packs side by side, the x-th of the grid, and a share of the rows. Kernels that read the same arrays
// after the sums go over them backwards, and find in the cache what the sums read last.

struct Share {
    long long first, step, count;  // rows of this thread
    int pack;
};

__device__ inline Share share(long long rows, int packs, int width, bool backwards) {
    Share s;
    int part = backwards ? gridDim.y - 1 - blockIdx.y : blockIdx.y;
    long long tall = quotient(rows + gridDim.y - 1, gridDim.y), last = tall * (part + 1);
    if (last > rows) last = rows;
    s.pack = blockIdx.x * width + threadIdx.x % width;
    s.step = blockDim.x / width;
    s.first = tall * part + threadIdx.x / width;
    s.count = s.pack < packs && s.first < last ? quotient(last - s.first + s.step - 1, s.step) : 0;
    if (backwards) {
        s.first += (s.count - 1) * s.step;
        s.step = -s.step;
    }
    return s;
}

struct Channels {
    double one[PACK], other[PACK];
};

// Both sums over the block's threads of one pack -> partial[channel][0 or 1][part].
__device__ inline void give_sums(const Channels& sums, double* partial, const Share& s, int packs, int width) {
    __shared__ double parts[2][256];
    for (int j = 0; j < PACK; j++) {
        parts[0][threadIdx.x] = sums.one[j];
        parts[1][threadIdx.x] = sums.other[j];
        __syncthreads();
        for (int half = 128; half >= width; half >>= 1) {
            if ((int)threadIdx.x < half) {
                parts[0][threadIdx.x] += parts[0][threadIdx.x + half];
                parts[1][threadIdx.x] += parts[1][threadIdx.x + half];
            }
            __syncthreads();
        }
        if ((int)threadIdx.x < width && s.pack < packs) {
            double* place = partial + (long long)(s.pack * PACK + j) * 2 * gridDim.y + blockIdx.y;
            place[0] = parts[0][threadIdx.x];
            place[gridDim.y] = parts[1][threadIdx.x];
        }
        __syncthreads();
    }
}

extern "C" __global__ void data_sums(const ELEMENT* data, double* partial, long long rows, int packs, int width) {
    Share s = share(rows, packs, width, false);
    Channels sums = {};
    for (long long n = 0, row = s.first; n < s.count; n++, row += s.step) {
        Numbers x = read(data, row * packs + s.pack);
        for (int j = 0; j < PACK; j++) {
            double value = x.at[j];
            sums.one[j] += value;
            sums.other[j] += value * value;
        }
    }
    give_sums(sums, partial, s, packs, width);
}

struct Layers {
    Normal of[PACK];
    Affine to[PACK];
};

__device__ inline Layers layers(const double* statistics, const float* gamma, const float* beta, int fix_gamma,
                                const Share& s, int packs) {
    Layers found;
    int first = s.pack < packs ? s.pack * PACK : 0;  // threads without a pack do nothing with theirs
#pragma unroll
    for (int j = 0; j < PACK; j++) {
        found.of[j] = normal(statistics, packs * PACK, first + j);
        found.to[j] = affine(gamma, beta, fix_gamma, first + j);
    }
    return found;
}

// At most 128 registers for a thread: that is enough, and lets a multiprocessor hold two blocks.
extern "C" __global__ void __launch_bounds__(256, 2)
    head_sums(const ELEMENT* __restrict__ head, double* partial, long long rows, int packs, int width,
              const ELEMENT* __restrict__ data, const double* statistics, const float* gamma, const float* beta,
              int fix_gamma) {
    Share s = share(rows, packs, width, false);
    Layers layer = layers(statistics, gamma, beta, fix_gamma, s, packs);
    Channels sums = {};
#pragma unroll 2
    for (long long n = 0, row = s.first; n < s.count; n++, row += s.step) {
        Numbers grad = read(head, row * packs + s.pack), x = read(data, row * packs + s.pack);
        for (int j = 0; j < PACK; j++) {
            float normalised = layer.of[j](x.at[j]);
            double value = grad.at[j] * layer.to[j].slope_at(normalised);
            sums.one[j] += value;
            sums.other[j] += value * normalised;
        }
    }
    give_sums(sums, partial, s, packs, width);
}

extern "C" __global__ void normalise(const ELEMENT* data, const double* statistics, const float* gamma,
                                     const float* beta, int fix_gamma, ELEMENT* out, long long rows, int packs,
                                     int width) {
    Share s = share(rows, packs, width, true);
    Layers layer = layers(statistics, gamma, beta, fix_gamma, s, packs);
    for (long long n = 0, row = s.first; n < s.count; n++, row += s.step) {
        Numbers x = read(data, row * packs + s.pack);
        for (int j = 0; j < PACK; j++) x.at[j] = layer.to[j](layer.of[j](x.at[j]));
        write(out, row * packs + s.pack, x);
    }
}

extern "C" __global__ void __launch_bounds__(256, 2)
    data_gradient(const ELEMENT* __restrict__ head, const ELEMENT* __restrict__ data, const double* statistics,
                  const double* sums, double share_of_one, const float* gamma, const float* beta, int fix_gamma,
                  ELEMENT* __restrict__ target, long long rows, int packs, int width) {
    Share s = share(rows, packs, width, true);
    Layers layer = layers(statistics, gamma, beta, fix_gamma, s, packs);
    Descent down[PACK];
    int first = s.pack < packs ? s.pack * PACK : 0;
#pragma unroll
    for (int j = 0; j < PACK; j++) down[j] = descent(sums, share_of_one, layer.of[j], layer.to[j], packs * PACK, first + j);
#pragma unroll 2
    for (long long n = 0, row = s.first; n < s.count; n++, row += s.step) {
        Numbers grad = read(head, row * packs + s.pack), x = read(data, row * packs + s.pack);
        for (int j = 0; j < PACK; j++) {
            float normalised = layer.of[j](x.at[j]);
            grad.at[j] = down[j](grad.at[j] * layer.to[j].slope_at(normalised), normalised);
        }
        write(target, row * packs + s.pack, grad);
    }
}
