#include "halves.cuh"

extern "C" __global__ void round_half(const float* from, unsigned short* to, long long count) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < count) to[i] = narrow(from[i]);
}
