// Sums in a fixed order: the same inputs give the same bits. Every thread gets the result, so all must take part.
template <typename T>
__device__ inline T warp_sum(T value) {
    for (int distance = 16; distance; distance >>= 1) value += __shfl_xor_sync(0xffffffffu, value, distance);
    return value;
}

// Over a block of whole warps: each thread adds up the warps' sums in the same order.
template <typename T>
static __device__ T block_sum(T value) {
    __shared__ T parts[32];
    value = warp_sum(value);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    T total = 0;
    for (int warp = 0; warp < (int)blockDim.x / 32; warp++) total += parts[warp];
    __syncthreads();  // so that the next sum may use `parts`
    return total;
}
