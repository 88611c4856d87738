#include "index.cuh"
#include "sums.cuh"
#include "activation.cuh"
#include "batch_norm.cuh"

// Arrays lie in memory as (before, channels, behind). Sums are added up in doubles, in an order that depends on the shape
// alone. First each block sums up a part of some channels (data_sums, head_sums), then channel_statistics.cu adds up the
// parts; the other kernels here go over all elements.

// Which elements a block sums up, and how its 256 threads share them: `width` channels side by side (32 where behind is
// small, else 1) x `lanes` places of one plane x rows of planes. Block (x, y): channels from x * width; part y of `splits`
// x `columns`, which cut `before` and `behind`. See _shares in kernels/batch_norm_walks.py.
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

// Both sums over the block's threads of one channel -> partial[channel][0 or 1][part].
__device__ inline void give_sums(double one, double other, double* partial, const Share& s, int channels, int width) {
    __shared__ double sums[2][256];
    sums[0][threadIdx.x] = one;
    sums[1][threadIdx.x] = other;
    __syncthreads();
    // Threads of one channel are `width` apart, so that halving down to `width` leaves one sum for each channel.
    for (int half = 128; half >= width; half >>= 1) {
        if ((int)threadIdx.x < half) {
            sums[0][threadIdx.x] += sums[0][threadIdx.x + half];
            sums[1][threadIdx.x] += sums[1][threadIdx.x + half];
        }
        __syncthreads();
    }
    if ((int)threadIdx.x < width && s.channel < channels) {
        double* place = partial + (long long)s.channel * 2 * gridDim.y + blockIdx.y;
        place[0] = sums[0][threadIdx.x];
        place[gridDim.y] = sums[1][threadIdx.x];
    }
}

// Sums of x and of x * x. Subtracting the mean's square cancels digits where the mean is large; in doubles the variance
// that follows is still exact to (mean / deviation)^2 * 1e-16.
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

// Sums of the head gradient in front of the activation, and of that * normalised data.
extern "C" __global__ void head_sums(const float* head, double* partial, long long before, int channels,
                                     long long behind, int width, int lanes, int columns, const float* data,
                                     const double* statistics, const float* gamma, const float* beta, int fix_gamma) {
    Share s = share(before, behind, width, lanes, columns);
    double sum = 0.0, dots = 0.0;
    if (s.channel < channels) {
        Normal of = normal(statistics, channels, s.channel);
        Affine to = affine(gamma, beta, fix_gamma, s.channel);
        for (long long a = s.from + s.row; a < s.to; a += s.rows) {
            long long plane = (a * channels + s.channel) * behind;
            for (long long b = s.first + s.lane; b < s.last; b += s.lanes) {
                float normalised = of(data[plane + b]);
                double value = head[plane + b] * to.slope_at(normalised);
                sum += value;
                dots += value * normalised;
            }
        }
    }
    give_sums(sum, dots, partial, s, channels, width);
}

// For kernels over all elements: `lanes` threads per plane (a channel of one row), and the grid's y over its places.
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
    Affine to = affine(gamma, beta, fix_gamma, p.channel);
    for (long long b = p.first; b < behind; b += p.step) out[p.start + b] = to(of(data[p.start + b]));
}

extern "C" __global__ void data_gradient(const float* head, const float* data, const double* statistics,
                                         const double* sums, double share_of_one, const float* gamma, const float* beta,
                                         int fix_gamma, float* target, long long planes, int channels,
                                         long long behind, int lanes) {
    Plane p = plane(planes, channels, behind, lanes);
    if (!p.exists) return;
    Normal of = normal(statistics, channels, p.channel);
    Affine to = affine(gamma, beta, fix_gamma, p.channel);
    Descent down = descent(sums, share_of_one, of, to, channels, p.channel);
    for (long long b = p.first; b < behind; b += p.step) {
        float normalised = of(data[p.start + b]);
        target[p.start + b] = down(head[p.start + b] * to.slope_at(normalised), normalised);
    }
}
