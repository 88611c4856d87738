#include "index.cuh"
#include "now.cuh"
#include "philox.cuh"
#include "quads.cuh"

// Element i is kept, and scaled, if number first + i of the node's stream in this step is below `threshold`, else 0.
// A thread per block of four numbers; only if `first` is a multiple of four are these an aligned quad of elements.
extern "C" __global__ void drop(const float* source, float* target, const Now* now, unsigned node, unsigned key0,
                                unsigned key1, long long first, long long size, unsigned long long threshold,
                                float scale) {
    long long block = first / 4 + thread_number(), start = 4 * block - first;
    if (start >= size) return;
    Words words = philox(block, (unsigned)now->number, node, key0, key1);
    Quad quad = load(source, start, size);
    for (int j = 0; j < 4; j++) quad.at[j] = words.at[j] < threshold ? quad.at[j] * scale : 0.0f;  // dropped NaN too
    store(target, start, size, quad);
}
