#include "halves.cuh"
#include "index.cuh"
#include "packs.cuh"

// Copies between float32 arrays with channels before pixels and arrays of ELEMENT with channels last, rounding on the way.
// Both directions turn tiles of 32 x 32 in shared memory, so that neighbouring threads read and write neighbouring elements.
// A tile's rows are 33 long: a column then lies in 32 different banks of shared memory, and is read at once. Block (x, y,
// z): tile x of the pixels, tile y of the channels; images z, z + gridDim.z, ...

// from (images, channels, pixels) -> to (images, pixels, channels).
extern "C" __global__ void to_last(const float* from, ELEMENT* to, int images, int channels, int pixels) {
    __shared__ ELEMENT tile[32][33];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int image = blockIdx.z; image < images; image += gridDim.z) {
        long long start = (long long)image * channels * pixels;
        int pixel = blockIdx.x * 32 + lane;
        for (int i = warp; i < 32; i += 8) {
            int channel = blockIdx.y * 32 + i;
            if (channel < channels && pixel < pixels) {
                put(from[start + (long long)channel * pixels + pixel], tile[i][lane]);
            }
        }
        __syncthreads();
        int channel = blockIdx.y * 32 + lane;
        for (int i = warp; i < 32; i += 8) {
            int place = blockIdx.x * 32 + i;
            if (channel < channels && place < pixels) to[start + (long long)place * channels + channel] = tile[lane][i];
        }
        __syncthreads();
    }
}

// from (images, pixels, channels) -> to (images, channels, pixels).
extern "C" __global__ void from_last(const ELEMENT* from, float* to, int images, int channels, int pixels) {
    __shared__ ELEMENT tile[32][33];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int image = blockIdx.z; image < images; image += gridDim.z) {
        long long start = (long long)image * channels * pixels;
        int channel = blockIdx.y * 32 + lane;
        for (int i = warp; i < 32; i += 8) {
            int place = blockIdx.x * 32 + i;
            if (channel < channels && place < pixels) tile[i][lane] = from[start + (long long)place * channels + channel];
        }
        __syncthreads();
        int pixel = blockIdx.x * 32 + lane;
        for (int i = warp; i < 32; i += 8) {
            int target = blockIdx.y * 32 + i;
            if (target < channels && pixel < pixels) {
                to[start + (long long)target * pixels + pixel] = number(tile[lane][i]);
            }
        }
        __syncthreads();
    }
}

// The same where channels or pixels are few: a thread per place along the other extent, which goes over the few.
struct Line {
    long long plain, plain_step, last, last_step;
    int length;
};

__device__ inline Line line(long long i, int channels, int pixels) {
    Line l;
    if (channels < pixels) {
        long long image = quotient(i, pixels);
        l.plain = image * channels * pixels + (i - image * pixels), l.plain_step = pixels;
        l.last = i * channels, l.last_step = 1;
        l.length = channels;
    } else {
        long long image = quotient(i, channels);
        l.plain = i * pixels, l.plain_step = 1;
        l.last = image * channels * pixels + (i - image * channels), l.last_step = channels;
        l.length = pixels;
    }
    return l;
}

extern "C" __global__ void thin_to_last(const float* from, ELEMENT* to, long long count, int channels, int pixels) {
    long long i = thread_number();
    if (i >= count) return;
    Line l = line(i, channels, pixels);
    for (int n = 0; n < l.length; n++) put(from[l.plain + n * l.plain_step], to[l.last + n * l.last_step]);
}

extern "C" __global__ void thin_from_last(const ELEMENT* from, float* to, long long count, int channels, int pixels) {
    long long i = thread_number();
    if (i >= count) return;
    Line l = line(i, channels, pixels);
    for (int n = 0; n < l.length; n++) to[l.plain + n * l.plain_step] = number(from[l.last + n * l.last_step]);
}
