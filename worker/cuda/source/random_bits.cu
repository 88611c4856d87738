#include "index.cuh"
#include "now.cuh"
#include "philox.cuh"

// out (count,) = numbers `first` to `first + count` of the node's stream in this step: a thread per block of four numbers.
extern "C" __global__ void random_bits(unsigned* out, const Now* now, unsigned node, unsigned key0, unsigned key1,
                                       long long first, long long count) {
    long long block = first / 4 + thread_number();
    if (4 * block >= first + count) return;
    Words words = philox(block, (unsigned)now->number, node, key0, key1);
    for (int j = 0; j < 4; j++) {
        long long i = 4 * block + j - first;
        if (i >= 0 && i < count) out[i] = words.at[j];
    }
}
