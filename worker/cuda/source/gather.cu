#include "index.cuh"
#include "now.cuh"

// out (rows, row_size) = the rows of data that stand in `order` for this step's batch, of which `rows` from `first` on
// are this GPU's. A step of the epoch has `batch_size` entries in `order`.
extern "C" __global__ void gather(float* out, const float* data, const int* order, const Now* now,
                                  long long batch_size, long long first, long long rows, long long row_size) {
    long long i = thread_number();
    if (i >= rows * row_size) return;
    long long row = quotient(i, row_size);
    long long source = order[now->batch * batch_size + first + row];
    out[i] = data[source * row_size + (i - row * row_size)];
}
