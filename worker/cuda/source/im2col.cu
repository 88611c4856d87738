#include "index.cuh"

// What all windows of a convolution read, as a matrix: row (channel, tap), column (image, window), both in row-major order
// of their parts. `numbers` has three each of: extents of the data, of the output, of the kernel; stride, pad, dilate.
// Missing axes have extent 1. The threads of a block take neighbouring columns (pixels), and go over the rows (channels) in
// steps of gridDim.y: so a column's image and window are found once for all of its rows.

struct Geometry {
    const int *in, *out, *kernel, *stride, *pad, *dilate;
    int pixels, windows, taps;
};

__device__ inline Geometry read(const int* numbers) {
    Geometry g = {numbers, numbers + 3, numbers + 6, numbers + 9, numbers + 12, numbers + 15, 1, 1, 1};
    for (int axis = 0; axis < 3; axis++) {
        g.pixels *= g.in[axis];
        g.windows *= g.out[axis];
        g.taps *= g.kernel[axis];
    }
    return g;
}

// A place's number, in row-major order, as its three coordinates.
__device__ inline void take_apart(int place, const int* extents, int* parts) {
    parts[2] = place % extents[2];
    place /= extents[2];
    parts[1] = place % extents[1];
    parts[0] = place / extents[1];
}

// data (images, channels, pixels) -> columns (channels * taps, images * windows).
extern "C" __global__ void image_to_columns(const float* data, float* columns, int images, int channels,
                                            const int* numbers) {
    Geometry g = read(numbers);
    long long width = (long long)images * g.windows, column = thread_number();
    if (column >= width) return;
    int image = (int)quotient(column, g.windows), window[3], tap[3];
    take_apart((int)(column - (long long)image * g.windows), g.out, window);
    for (long long row = blockIdx.y; row < (long long)channels * g.taps; row += gridDim.y) {
        int channel = (int)quotient(row, g.taps);
        take_apart((int)(row - (long long)channel * g.taps), g.kernel, tap);
        long long from = (long long)image * channels + channel;
        bool inside = true;
        for (int axis = 0; axis < 3; axis++) {
            int place = window[axis] * g.stride[axis] - g.pad[axis] + tap[axis] * g.dilate[axis];
            inside = inside && place >= 0 && place < g.in[axis];
            from = from * g.in[axis] + place;
        }
        columns[row * width + column] = inside ? data[from] : 0.0f;
    }
}

// The transpose: every pixel adds up what the windows that read it have for it, tap by tap. Going by pixels, no two threads
// add to the same number, and the order is fixed.
extern "C" __global__ void columns_to_image(const float* columns, float* data, int images, int channels,
                                            const int* numbers) {
    Geometry g = read(numbers);
    long long width = (long long)images * g.windows, number = thread_number();
    if (number >= (long long)images * g.pixels) return;
    int image = (int)quotient(number, g.pixels), place[3], tap[3];
    int pixel = (int)(number - (long long)image * g.pixels);
    take_apart(pixel, g.in, place);
    for (int channel = blockIdx.y; channel < channels; channel += gridDim.y) {
        float sum = 0.0f;
        for (int t = 0; t < g.taps; t++) {
            take_apart(t, g.kernel, tap);
            long long window = 0;
            bool touched = true;
            for (int axis = 0; axis < 3; axis++) {
                int reach = place[axis] + g.pad[axis] - tap[axis] * g.dilate[axis], at = reach / g.stride[axis];
                touched = touched && reach >= 0 && at * g.stride[axis] == reach && at < g.out[axis];
                window = window * g.out[axis] + at;
            }
            if (touched) sum += columns[((long long)channel * g.taps + t) * width + image * (long long)g.windows + window];
        }
        data[((long long)image * channels + channel) * g.pixels + pixel] = sum;
    }
}
