// `statistics` (3, channels) are doubles: each channel's mean, variance and 1 / sqrt(variance + eps).

// (x - mean) / sqrt(variance + eps) in float32. The mean is subtracted as two floats, as one has too few digits for a mean
// that is large beside the deviation. The order matters: value - high is exact where both are close.
struct Normal {
    float high, low, scale;

    __device__ float operator()(float value) const { return ((value - high) - low) * scale; }
};

__device__ inline Normal normal(const double* statistics, int channels, int channel) {
    double mean = statistics[channel];
    Normal n = {(float)mean, (float)(mean - (float)mean), (float)statistics[2 * channels + channel]};
    return n;
}

// gamma * normalised + beta and the activation of that; slope_at is the activation's slope there.
struct Affine {
    float scale, shift;

    __device__ float operator()(float normalised) const { return activated(normalised * scale + shift); }
    __device__ float slope_at(float normalised) const {
        return ACT == NONE ? 1.0f : slope(activated(normalised * scale + shift));
    }
};

__device__ inline Affine affine(const float* gamma, const float* beta, int fix_gamma, int channel) {
    Affine a = {fix_gamma ? 1.0f : gamma[channel], beta[channel]};
    return a;
}

// The gradient of data: (slope of the activation * head - mean - normalised * tilt) * scale.
struct Descent {
    float mean, tilt, scale;

    __device__ float operator()(float head, float normalised) const { return (head - (mean + normalised * tilt)) * scale; }
};

// `share`: 1 / elements of a channel, or 0 where mean and variance are not those of the batch and do not depend on data.
__device__ inline Descent descent(const double* sums, double share, const Normal& of, const Affine& to, int channels,
                                  int channel) {
    Descent d = {0.0f, 0.0f, to.scale * of.scale};
    if (share > 0.0) {
        d.mean = (float)(sums[channel] * share);
        d.tilt = (float)(sums[channels + channel] * share);
    }
    return d;
}
