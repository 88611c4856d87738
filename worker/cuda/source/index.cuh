// This thread's number in a one-dimensional grid.
__device__ inline long long thread_number() {
    return (long long)blockIdx.x * blockDim.x + threadIdx.x;
}

// a / b for numbers that are not negative. 64-bit division takes several times as long as one of 32 bits, and is seldom
// needed.
__device__ inline long long quotient(long long a, long long b) {
    return (a | b) >> 32 ? a / b : (long long)((unsigned)a / (unsigned)b);
}
