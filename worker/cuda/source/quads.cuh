// Four neighbouring elements at a time, with one access of 16 bytes where the address and the array's end allow it.
struct alignas(16) Quad {
    float at[4];
};

__device__ inline bool is_quad(const float* array, long long first, long long size) {
    return first >= 0 && first + 4 <= size && ((unsigned long long)(array + first) & 15) == 0;
}

// Elements `first` to `first + 3`; 0 for those outside the array, before it (`first` may be negative) or after.
__device__ inline Quad load(const float* array, long long first, long long size) {
    if (is_quad(array, first, size)) return *(const Quad*)(array + first);
    Quad quad;
    for (int j = 0; j < 4; j++) {
        long long i = first + j;
        quad.at[j] = i >= 0 && i < size ? array[i] : 0.0f;
    }
    return quad;
}

// Writes those of the four that lie within the array.
__device__ inline void store(float* array, long long first, long long size, const Quad& quad) {
    if (is_quad(array, first, size)) {
        *(Quad*)(array + first) = quad;
        return;
    }
    for (int j = 0; j < 4; j++) {
        long long i = first + j;
        if (i >= 0 && i < size) array[i] = quad.at[j];
    }
}
