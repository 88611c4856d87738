#include "halves.cuh"
#include "index.cuh"

// Between float32 and 16 bits, element by element: BFLOAT16 says of which type.
extern "C" __global__ void round_half(const float* from, unsigned short* to, long long count) {
    long long i = thread_number();
    if (i < count) to[i] = narrow(from[i]);
}

extern "C" __global__ void widen_half(const unsigned short* from, float* to, long long count) {
    long long i = thread_number();
    if (i < count) to[i] = widen(from[i]);
}
