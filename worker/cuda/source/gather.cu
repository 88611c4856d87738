#include "index.cuh"
#include "now.cuh"

// out (rows, row_size) = this GPU's part of this step's batch. `order` holds the numbers of data's rows for a whole epoch,
// `batch_size` for each step; of these, `rows` from `first` on are this GPU's.
extern "C" __global__ void gather(float* out, const float* data, const int* order, const Now* now,
                                  long long batch_size, long long first, long long rows, long long row_size) {
    long long i = thread_number();
    if (i >= rows * row_size) return;
    long long row = quotient(i, row_size);
    long long source = order[now->batch * batch_size + first + row];
    out[i] = data[source * row_size + (i - row * row_size)];
}
