#include "halves.cuh"
#include "index.cuh"
#include "packs.cuh"
#include "activation.cuh"

// A thread has a pack, one of `count`. Arrays are of one size, and may be the same.

extern "C" __global__ void activate(const ELEMENT* x, ELEMENT* y, long long count) {
    long long i = thread_number();
    if (i >= count) return;
    Numbers numbers = read(x, i);
    for (int j = 0; j < PACK; j++) numbers.at[j] = activated(numbers.at[j]);
    write(y, i, numbers);
}

extern "C" __global__ void slope_times(const ELEMENT* y, const ELEMENT* grad, ELEMENT* target, long long count) {
    long long i = thread_number();
    if (i >= count) return;
    Numbers value = read(y, i), numbers = read(grad, i);
    for (int j = 0; j < PACK; j++) numbers.at[j] *= slope(value.at[j]);
    write(target, i, numbers);
}

extern "C" __global__ void clip(const ELEMENT* x, ELEMENT* y, long long count, float low, float high) {
    long long i = thread_number();
    if (i >= count) return;
    Numbers numbers = read(x, i);
    for (int j = 0; j < PACK; j++) {
        float value = numbers.at[j];  // a NaN is on no side of a bound, and comes through
        numbers.at[j] = value < low ? low : (value > high ? high : value);
    }
    write(y, i, numbers);
}

extern "C" __global__ void clip_gradient(const ELEMENT* x, const ELEMENT* grad, ELEMENT* target, long long count,
                                         float low, float high) {
    long long i = thread_number();
    if (i >= count) return;
    Numbers value = read(x, i), numbers = read(grad, i);
    for (int j = 0; j < PACK; j++) numbers.at[j] *= low <= value.at[j] && value.at[j] <= high ? 1.0f : 0.0f;
    write(target, i, numbers);
}

// x in place; a row has `packs` packs. The bias is a user's array and need not be aligned, so it is read one by one.
extern "C" __global__ void activate_with_bias(ELEMENT* x, const float* bias, long long count, int packs) {
    long long i = thread_number();
    if (i >= count) return;
    const float* more = bias + (i - quotient(i, packs) * packs) * PACK;
    Numbers numbers = read(x, i);
    for (int j = 0; j < PACK; j++) numbers.at[j] = activated(numbers.at[j] + more[j]);
    write(x, i, numbers);
}

// sum = f(a + b).
extern "C" __global__ void add(const ELEMENT* a, const ELEMENT* b, ELEMENT* sum, long long count) {
    long long i = thread_number();
    if (i >= count) return;
    Numbers numbers = read(a, i), more = read(b, i);
    for (int j = 0; j < PACK; j++) numbers.at[j] = activated(numbers.at[j] + more.at[j]);
    write(sum, i, numbers);
}

// The gradients of a and b of `add`, which are the same; either may be a null pointer, if nobody asks for it.
extern "C" __global__ void add_gradient(const ELEMENT* sum, const ELEMENT* grad, ELEMENT* to_a, ELEMENT* to_b,
                                        long long count) {
    long long i = thread_number();
    if (i >= count) return;
    Numbers numbers = read(grad, i);
    if (ACT != NONE) {
        Numbers value = read(sum, i);
        for (int j = 0; j < PACK; j++) numbers.at[j] *= slope(value.at[j]);
    }
    if (to_a) write(to_a, i, numbers);
    if (to_b) write(to_b, i, numbers);
}

// Columns of one matrix to those of another: `width` packs of each of `rows` rows.
extern "C" __global__ void copy_columns(const ELEMENT* from, ELEMENT* to, int from_packs, int from_first, int to_packs,
                                        int to_first, int width, long long count) {
    long long i = thread_number();
    if (i >= count) return;
    long long row = quotient(i, width);
    int column = (int)(i - row * width);
    ((Packed<ELEMENT>*)to)[row * to_packs + to_first + column] =
        ((const Packed<ELEMENT>*)from)[row * from_packs + from_first + column];
}
