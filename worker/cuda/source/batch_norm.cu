#include "index.cuh"
#include "sums.cuh"

// Arrays lie in memory as (before, channels, behind). What is kept of a channel are doubles in `statistics` (3, channels):
// mean, variance, 1 / sqrt(variance + eps). Sums are of doubles in an order that depends on the shape alone.

// Which elements a block sums up, and how its 256 threads share them: `width` channels side by side (32 where behind is
// small, else 1) x `lanes` places of one plane x rows of planes. Block (x, y): channels from x * width; part y of `splits`
// x `columns`, which cut `before` and `behind`.
struct Share {
    long long from, to, first, last;  // of before, of behind
    int channel, row, rows, lane, lanes;
};

__device__ inline Share share(long long before, long long behind, int width, int lanes, int columns) {
    Share s;
    int splits = gridDim.y / columns, split = blockIdx.y / columns, column = blockIdx.y % columns;
    long long tall = quotient(before + splits - 1, splits), wide = quotient(behind + columns - 1, columns);
    s.from = tall * split, s.to = s.from + tall < before ? s.from + tall : before;
    s.first = wide * column, s.last = s.first + wide < behind ? s.first + wide : behind;
    int number = threadIdx.x / width;
    s.channel = blockIdx.x * width + threadIdx.x % width;
    s.lanes = lanes, s.lane = number % lanes;
    s.rows = blockDim.x / (width * lanes), s.row = number / lanes;
    return s;
}

// Both sums over the block's threads of one channel -> partial[part][0 or 1][channel].
__device__ inline void give_sums(double one, double other, double* partial, const Share& s, int channels, int width) {
    __shared__ double sums[2][256];
    sums[0][threadIdx.x] = one;
    sums[1][threadIdx.x] = other;
    __syncthreads();
    for (int half = 128; half >= width; half >>= 1) {
        if ((int)threadIdx.x < half) {
            sums[0][threadIdx.x] += sums[0][threadIdx.x + half];
            sums[1][threadIdx.x] += sums[1][threadIdx.x + half];
        }
        __syncthreads();
    }
    if ((int)threadIdx.x < width && s.channel < channels) {
        long long place = (long long)blockIdx.y * 2 * channels + s.channel;
        partial[place] = sums[0][threadIdx.x];
        partial[place + channels] = sums[1][threadIdx.x];
    }
}

// Sums of x and of x * x. In doubles the variance that follows from them is exact to (mean / deviation)^2 * 1e-16.
extern "C" __global__ void data_sums(const float* data, double* partial, long long before, int channels,
                                     long long behind, int width, int lanes, int columns) {
    Share s = share(before, behind, width, lanes, columns);
    double sum = 0.0, squares = 0.0;
    if (s.channel < channels) {
        for (long long a = s.from + s.row; a < s.to; a += s.rows) {
            const float* plane = data + (a * channels + s.channel) * behind;
            for (long long b = s.first + s.lane; b < s.last; b += s.lanes) {
                double value = plane[b];
                sum += value;
                squares += value * value;
            }
        }
    }
    give_sums(sum, squares, partial, s, channels, width);
}

// (x - mean) / sqrt(variance + eps) in float32, of a mean that needs more digits than a float has.
struct Normal {
    float high, low, scale;

    __device__ float operator()(float value) const { return ((value - high) - low) * scale; }
};

__device__ inline Normal normal(const double* statistics, int channels, int channel) {
    double mean = statistics[channel];
    Normal n = {(float)mean, (float)(mean - (float)mean), (float)statistics[2 * channels + channel]};
    return n;
}

// Sums of the head gradient, and of head * normalised data.
extern "C" __global__ void head_sums(const float* head, double* partial, long long before, int channels,
                                     long long behind, int width, int lanes, int columns, const float* data,
                                     const double* statistics) {
    Share s = share(before, behind, width, lanes, columns);
    double sum = 0.0, dots = 0.0;
    if (s.channel < channels) {
        Normal of = normal(statistics, channels, s.channel);
        for (long long a = s.from + s.row; a < s.to; a += s.rows) {
            long long plane = (a * channels + s.channel) * behind;
            for (long long b = s.first + s.lane; b < s.last; b += s.lanes) {
                double value = head[plane + b];
                sum += value;
                dots += value * of(data[plane + b]);
            }
        }
    }
    give_sums(sum, dots, partial, s, channels, width);
}

// By a warp. All its threads get the result.
__device__ inline double part_sum(const double* partial, int parts, int channels, int which, int channel) {
    double sum = 0.0;
    for (int part = threadIdx.x % 32; part < parts; part += 32) {
        sum += partial[((long long)part * 2 + which) * channels + channel];
    }
    return warp_sum(sum);
}

// From data_sums, a warp per channel; moves the averages if `moves`.
extern "C" __global__ void batch_statistics(const double* partial, int parts, int channels, double count, double eps,
                                            double momentum, int moves, float* moving_mean, float* moving_var,
                                            double* statistics) {
    int channel = (int)(thread_number() / 32);
    if (channel >= channels) return;
    double mean = part_sum(partial, parts, channels, 0, channel) / count;
    double variance = part_sum(partial, parts, channels, 1, channel) / count - mean * mean;
    if (threadIdx.x % 32) return;
    if (variance < 0.0) variance = 0.0;
    statistics[channel] = mean;
    statistics[channels + channel] = variance;
    statistics[2 * channels + channel] = 1.0 / sqrt(variance + eps);
    if (moves) {
        moving_mean[channel] = (float)(momentum * moving_mean[channel] + (1.0 - momentum) * mean);
        moving_var[channel] = (float)(momentum * moving_var[channel] + (1.0 - momentum) * variance);
    }
}

extern "C" __global__ void moved_statistics(const float* moving_mean, const float* moving_var, int channels, double eps,
                                            double* statistics) {
    int channel = (int)thread_number();
    if (channel >= channels) return;
    double variance = moving_var[channel];
    statistics[channel] = moving_mean[channel];
    statistics[channels + channel] = variance;
    statistics[2 * channels + channel] = 1.0 / sqrt(variance + eps);
}

extern "C" __global__ void give_statistics(const double* statistics, int channels, float* mean, float* inverse) {
    int channel = (int)thread_number();
    if (channel >= channels) return;
    mean[channel] = (float)statistics[channel];
    inverse[channel] = (float)statistics[2 * channels + channel];
}

// From head_sums, a warp per channel: the gradients of beta and gamma, and both sums for data_gradient.
extern "C" __global__ void scale_gradients(const double* partial, int parts, int channels, int fix_gamma, double* sums,
                                           float* gamma_grad, float* beta_grad) {
    int channel = (int)(thread_number() / 32);
    if (channel >= channels) return;
    double sum = part_sum(partial, parts, channels, 0, channel), dots = part_sum(partial, parts, channels, 1, channel);
    if (threadIdx.x % 32) return;
    sums[channel] = sum;
    sums[channels + channel] = dots;
    beta_grad[channel] = (float)sum;
    gamma_grad[channel] = fix_gamma ? 0.0f : (float)dots;
}

// Element-wise: `lanes` threads per plane (a channel of one row), and the grid's y over its places.
struct Plane {
    long long start, first, step;
    int channel;
    bool exists;
};

__device__ inline Plane plane(long long planes, int channels, long long behind, int lanes) {
    Plane p;
    long long number = (long long)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
    p.exists = number < planes;
    p.channel = (int)(number - quotient(number, channels) * channels);
    p.start = number * behind;
    p.first = (long long)blockIdx.y * lanes + threadIdx.x % lanes;
    p.step = (long long)gridDim.y * lanes;
    return p;
}

extern "C" __global__ void normalise(const float* data, const double* statistics, const float* gamma, const float* beta,
                                     int fix_gamma, float* out, long long planes, int channels, long long behind,
                                     int lanes) {
    Plane p = plane(planes, channels, behind, lanes);
    if (!p.exists) return;
    Normal of = normal(statistics, channels, p.channel);
    float scale = fix_gamma ? 1.0f : gamma[p.channel], shift = beta[p.channel];
    for (long long b = p.first; b < behind; b += p.step) out[p.start + b] = of(data[p.start + b]) * scale + shift;
}

// count: elements of a channel, or 0 where mean and variance are not those of the batch and so do not depend on data.
extern "C" __global__ void data_gradient(const float* head, const float* data, const double* statistics,
                                         const double* sums, double count, const float* gamma, int fix_gamma,
                                         float* target, long long planes, int channels, long long behind, int lanes) {
    Plane p = plane(planes, channels, behind, lanes);
    if (!p.exists) return;
    Normal of = normal(statistics, channels, p.channel);
    float scale = fix_gamma ? of.scale : gamma[p.channel] * of.scale;
    float mean = count > 0.0 ? (float)(sums[p.channel] / count) : 0.0f;
    float slope = count > 0.0 ? (float)(sums[channels + p.channel] / count) : 0.0f;
    for (long long b = p.first; b < behind; b += p.step) {
        float value = head[p.start + b];
        if (count > 0.0) value -= mean + of(data[p.start + b]) * slope;
        target[p.start + b] = value * scale;
    }
}
