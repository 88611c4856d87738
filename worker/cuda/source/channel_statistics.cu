#include "index.cuh"
#include "sums.cuh"

// What BatchNorm does per channel, from partial sums (channels, 2, parts); statistics as in batch_norm.cuh. Kernels that
// read partial sums have a block for each channel.

// The first or second (`which`) sum of the block's channel. All threads of the block get the result.
__device__ inline double part_sum(const double* partial, int parts, int which) {
    const double* of_channel = partial + ((long long)blockIdx.x * 2 + which) * parts;
    double sum = 0.0;
    for (int part = threadIdx.x; part < parts; part += blockDim.x) sum += of_channel[part];
    return block_sum(sum);
}

// From data_sums; moves the averages if `moves`.
extern "C" __global__ void batch_statistics(const double* partial, int parts, int channels, double count, double eps,
                                            double momentum, int moves, float* moving_mean, float* moving_var,
                                            double* statistics) {
    int channel = blockIdx.x;
    double mean = part_sum(partial, parts, 0) / count;
    double variance = part_sum(partial, parts, 1) / count - mean * mean;
    if (threadIdx.x) return;
    if (variance < 0.0) variance = 0.0;  // rounding may take it below 0; a NaN stays NaN
    statistics[channel] = mean;
    statistics[channels + channel] = variance;
    statistics[2 * channels + channel] = 1.0 / sqrt(variance + eps);
    if (moves) {
        moving_mean[channel] = (float)(momentum * moving_mean[channel] + (1.0 - momentum) * mean);
        moving_var[channel] = (float)(momentum * moving_var[channel] + (1.0 - momentum) * variance);
    }
}

// Statistics from the moving averages: predictions, and use_global_stats.
extern "C" __global__ void moved_statistics(const float* moving_mean, const float* moving_var, int channels, double eps,
                                            double* statistics) {
    int channel = (int)thread_number();
    if (channel >= channels) return;
    double variance = moving_var[channel];
    statistics[channel] = moving_mean[channel];
    statistics[channels + channel] = variance;
    statistics[2 * channels + channel] = 1.0 / sqrt(variance + eps);
}

// For output_mean_var: the mean and, as in MXNet, 1 / sqrt(variance + eps).
extern "C" __global__ void give_statistics(const double* statistics, int channels, float* mean, float* inverse) {
    int channel = (int)thread_number();
    if (channel >= channels) return;
    mean[channel] = (float)statistics[channel];
    inverse[channel] = (float)statistics[2 * channels + channel];
}

// From head_sums: the gradients of beta and gamma, and both sums for data_gradient.
extern "C" __global__ void scale_gradients(const double* partial, int parts, int channels, int fix_gamma, double* sums,
                                           float* gamma_grad, float* beta_grad) {
    int channel = blockIdx.x;
    double sum = part_sum(partial, parts, 0), dots = part_sum(partial, parts, 1);
    if (threadIdx.x) return;
    sums[channel] = sum;
    sums[channels + channel] = dots;
    beta_grad[channel] = (float)sum;
    gamma_grad[channel] = fix_gamma ? 0.0f : (float)dots;
}

// The first of the two sums of data_sums, in float32.
extern "C" __global__ void total(const double* partial, int parts, float* target) {
    double sum = part_sum(partial, parts, 0);
    if (threadIdx.x == 0) target[blockIdx.x] = (float)sum;
}
