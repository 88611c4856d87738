// Rounding of float32 to 16 bits and back. BFLOAT16 is 1 for bfloat16 and 0 for float16. Rounding is to the nearest,
// ties to even; NaN stays NaN.

__device__ inline unsigned bits_of(float value) {
    union { float number; unsigned bits; } both;
    both.number = value;
    return both.bits;
}

__device__ inline float number_of(unsigned bits) {
    union { float number; unsigned bits; } both;
    both.bits = bits;
    return both.number;
}

#if BFLOAT16

__device__ inline unsigned short narrow(float value) {
    unsigned bits = bits_of(value);
    // A NaN whose upper bits are all 0 would become infinity, so one bit of the mantissa is set.
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (unsigned short)(bits >> 16 | 0x40u);
    // Just below half of the last place that stays, and 1 more if that place is odd: ties go to even.
    return (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

__device__ inline float widen(unsigned short half) { return number_of((unsigned)half << 16); }

#elif defined(__CUDA_ARCH__)

__device__ inline unsigned short narrow(float value) {
    unsigned short half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
    return half;
}

__device__ inline float widen(unsigned short half) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
    return value;
}

#else  // the same without a GPU's instructions, for the tests that run kernels on the processor

__device__ inline unsigned short narrow(float value) {
    unsigned bits = bits_of(value), sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) return (unsigned short)(sign | 0x7fffu);
    if (size >= 0x477ff000u) return (unsigned short)(sign | 0x7c00u);  // 65520 and more: infinity
    if (size < 0x38800000u) {  // below 2^-14: a multiple of 2^-24, as adding 0.5 leaves it in the last bits
        return (unsigned short)(sign | (bits_of(number_of(size) + 0.5f) - 0x3f000000u));
    }
    // The exponent's bias falls from 127 to 15, and 13 bits of mantissa are rounded off as above.
    return (unsigned short)(sign | (size - 0x38000000u + 0xfffu + (size >> 13 & 1u)) >> 13);
}

__device__ inline float widen(unsigned short half) {
    unsigned sign = (half & 0x8000u) << 16, size = half & 0x7fffu;
    if (size >= 0x7c00u) return number_of(sign | 0x7f800000u | (size & 0x3ffu) << 13);
    float value = size < 0x400u ? (float)size * number_of(0x33800000u) : number_of((size << 13) + 0x38000000u);
    return number_of(bits_of(value) | sign);  // below 2^-14 the bits count multiples of 2^-24
}

#endif
