#include "index.cuh"
#include "largest.cuh"
#include "sums.cuh"

// A number per item, and their sum in a fixed order. METRIC says which number, as in worker/training/metrics and, for losses
// that are no metric, in worker/training/head_loss.py; LANES, 1 or 32, how many threads work on an item. label (rows,
// positions), output (rows, classes, positions); an item is one label. `number` is what is added before a logarithm, or a
// margin.
enum { CHOSEN, ROUNDED, TOP, ABSOLUTE, SQUARED, LOGARITHMIC, ENTROPY, BINARY, HINGE, SQUARED_HINGE, VALUE };

// The class with the largest value. Lanes look at every LANES-th class, then exchange what they found.
__device__ inline int likeliest(const float* values, int classes, long long stride, int lane) {
    float best = __int_as_float(0xff800000);
    int kept = 0x7fffffff;
    for (int k = lane; k < classes; k += LANES) {
        if (wins(values[k * stride], k, best, kept)) {
            best = values[k * stride];
            kept = k;
        }
    }
    for (int distance = LANES / 2; distance; distance >>= 1) {
        float value = __shfl_xor_sync(0xffffffffu, best, distance);
        int index = __shfl_xor_sync(0xffffffffu, kept, distance);
        if (wins(value, index, best, kept)) {
            best = value;
            kept = index;
        }
    }
    return kept;
}

// How many classes come before `chosen` if the likeliest comes first, equal ones in their order, and NaN last.
__device__ inline int rank(const float* values, int classes, int chosen, long long stride, int lane) {
    float mine = values[chosen * stride];
    int before = 0;
    for (int k = lane; k < classes; k += LANES) {
        float value = values[k * stride];
        bool equal = value == mine || (value != value && mine != mine);
        before += (value > mine || (mine != mine && value == value) || (equal && k < chosen)) ? 1 : 0;
    }
    return LANES > 1 ? warp_sum(before) : before;
}

__device__ inline double distance_of(double label, double output) {
    if (METRIC == ABSOLUTE) return fabs(label - output);
    double difference = METRIC == SQUARED ? label - output : log1p(output) - log1p(label);
    return difference * difference;
}

// The hinge loss of one row, each class against all others.
__device__ inline double hinge(float label, const float* values, int classes, double margin) {
    double sum = 0.0;
    for (int k = 0; k < classes; k++) {
        double missing = (float)k == label ? margin - values[k] : margin + values[k];
        if (missing <= 0.0) continue;  // NaN is not
        sum += METRIC == HINGE ? missing : missing * missing;
    }
    return sum;
}

// The number of item i; all lanes of the item return the same.
__device__ inline double item(const float* label, const float* output, long long i, int classes, long long positions,
                              int top, double number, int lane) {
    float value = label[i];
    if (METRIC == VALUE) return output[i];
    if (METRIC == BINARY) {
        double right = output[i];
        return -(value * log(right + number) + (1.0 - value) * log(1.0 - right + number));
    }
    if (METRIC == HINGE || METRIC == SQUARED_HINGE) return hinge(value, output + i * classes, classes, number);
    if (METRIC == ABSOLUTE || METRIC == SQUARED || METRIC == LOGARITHMIC) return distance_of(value, output[i]);
    if (METRIC == ROUNDED) return rintf(output[i]) == value ? 1.0 : 0.0;
    long long row = quotient(i, positions);
    const float* values = output + row * classes * positions + (i - row * positions);
    if (METRIC == CHOSEN) return (double)likeliest(values, classes, positions, lane) == value ? 1.0 : 0.0;
    if (METRIC == TOP) {
        bool valid = value >= 0.0f && (double)value < classes && value == truncf(value);
        return valid && rank(values, classes, (int)value, positions, lane) < top ? 1.0 : 0.0;
    }
    bool valid = value > -1.0f && (double)value < classes;  // cut to a whole number, as the host does
    return valid ? -log((double)values[(int)value * positions] + number) : __longlong_as_double(0x7ff8000000000000LL);
}

// target = (sum, items that count) if there is one block; else each block writes its own to `parts`, for add_up. An item
// whose label is `ignored` does not count.
extern "C" __global__ void statistics(const float* label, const float* output, double* parts, double* target,
                                      long long items, int classes, long long positions, int top, double number,
                                      float ignored, double weight) {
    int group = threadIdx.x / LANES, lane = threadIdx.x % LANES, groups = blockDim.x / LANES;
    double sum = 0.0, counted = 0.0;
    for (long long i = (long long)blockIdx.x * groups + group; i < items; i += (long long)gridDim.x * groups) {
        if (label[i] == ignored) continue;  // alike for all lanes of the item
        double value = item(label, output, i, classes, positions, top, number, lane);
        if (lane == 0) {
            sum += weight * value;
            counted += 1.0;
        }
    }
    sum = block_sum(sum);
    counted = block_sum(counted);
    if (threadIdx.x) return;
    double* out = gridDim.x > 1 ? parts + 2 * blockIdx.x : target;
    out[0] = sum;
    out[1] = counted;
}

// target = the sums of the parts, for one block of at least as many threads as parts.
extern "C" __global__ void add_up(const double* parts, double* target, int count) {
    bool mine = (int)threadIdx.x < count;
    double sum = block_sum(mine ? parts[2 * threadIdx.x] : 0.0);
    double counted = block_sum(mine ? parts[2 * threadIdx.x + 1] : 0.0);
    if (threadIdx.x) return;
    target[0] = sum;
    target[1] = counted;
}
