#include "index.cuh"

__device__ inline bool names_row(float id, int rows) {
    return id >= 0.0f && (double)id < rows && id == truncf(id);
}

// out (count, width) = table[ids]: a thread per element. An id that names no row is noted in `wrong` and gets row 0.
extern "C" __global__ void gather(const float* ids, const float* table, float* out, unsigned long long* wrong,
                                  long long size, int rows, int width) {
    long long i = thread_number();
    if (i >= size) return;
    long long place = quotient(i, width), column = i - place * width;
    float id = ids[place];
    bool valid = names_row(id, rows);
    if (!valid && column == 0) atomicMin(wrong, (unsigned long long)place << 32 | __float_as_uint(id));
    out[i] = table[(valid ? (long long)id : 0) * width + column];
}

// table[id] = the sum of grads (count, width) over the places where id stands, in their order; other rows are left alone.
// A warp per place and 128 columns. The warp of an id's first place adds up for all its places, the others stop when they
// find it before them: so there are no atomics, and the order is fixed. That takes at most count * count comparisons in
// all, fewer where ids are frequent, and as long as the additions for the most frequent id. Sorting instead would need
// temporary memory, and may wait for the device.
extern "C" __global__ void add_rows(const float* ids, const float* grads, float* table, long long count, int rows,
                                    int width) {
    long long place = thread_number() / 32;
    if (place >= count) return;
    int lane = threadIdx.x % 32;
    float id = ids[place];
    if (!names_row(id, rows)) return;
    for (long long start = 0; start < place; start += 32) {
        if (__ballot_sync(0xffffffffu, start + lane < place && ids[start + lane] == id)) return;
    }
    int column = blockIdx.y * 128 + lane;
    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (long long start = place; start < count; start += 32) {
        unsigned found = __ballot_sync(0xffffffffu, start + lane < count && ids[start + lane] == id);
        for (; found; found &= found - 1) {  // the lowest bit that is set, then without it
            const float* row = grads + (start + __ffs(found) - 1) * width;
            for (int j = 0; j < 4; j++) {
                if (column + 32 * j < width) sums[j] += row[column + 32 * j];
            }
        }
    }
    for (int j = 0; j < 4; j++) {
        if (column + 32 * j < width) table[(long long)id * width + column + 32 * j] = sums[j];
    }
}
