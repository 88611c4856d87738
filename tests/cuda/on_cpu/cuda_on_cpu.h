// Enough of CUDA C++ for g++ to compile kernels. See cuda_threads.h for how they run.
#pragma GCC system_header
#include "cuda_threads.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static __attribute__((section("cuda_shared")))
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __restrict__

// Macros, so that a wait knows its line.
#define __syncthreads() ((void)cuda_on_cpu::wait(cuda_on_cpu::AT_BARRIER, __LINE__, 0, 0, cuda_on_cpu::NO_LANE))
#define __syncthreads_count(p) int(cuda_on_cpu::wait(cuda_on_cpu::AT_BARRIER, __LINE__, 0, (p) != 0, cuda_on_cpu::NO_LANE))
#define __syncthreads_or(p) (__syncthreads_count(p) != 0)
#define __syncthreads_and(p) (__syncthreads_count(!(p)) == 0)
#define __syncwarp(...) cuda_on_cpu::sync_warp(__LINE__, ##__VA_ARGS__)
#define __ballot_sync(mask, p) cuda_on_cpu::ballot(__LINE__, mask, p)
#define __any_sync(mask, p) (cuda_on_cpu::ballot(__LINE__, mask, p) != 0)
#define __all_sync(mask, p) (cuda_on_cpu::ballot(__LINE__, mask, !(p)) == 0)
#define __shfl_sync(...) cuda_on_cpu::shfl(__LINE__, __VA_ARGS__)
#define __shfl_up_sync(...) cuda_on_cpu::shfl_up(__LINE__, __VA_ARGS__)
#define __shfl_down_sync(...) cuda_on_cpu::shfl_down(__LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...) cuda_on_cpu::shfl_xor(__LINE__, __VA_ARGS__)
#define __trap() cuda_on_cpu::fail("line %d: __trap()", __LINE__)
#undef assert
#define assert(truth) ((truth) ? (void)0 : cuda_on_cpu::fail("line %d: assert(%s)", __LINE__, #truth))

namespace cuda_on_cpu {

static inline int lane() { return int(running->thread & 31); }

static inline void sync_warp(int line, unsigned mask = ~0u) { wait(AT_WARP, line, mask, 0, NO_LANE); }

static inline unsigned ballot(int line, unsigned mask, bool truth) {
    return unsigned(wait(AT_WARP, line, mask, truth, BALLOT));
}

template <class T> T exchange(int line, unsigned mask, T value, int source) {
    static_assert(sizeof(T) <= 8, "shuffles move 4 or 8 bytes");
    uint64_t word = 0;
    memcpy(&word, &value, sizeof(T));
    word = wait(AT_WARP, line, mask, word, source);
    memcpy(&value, &word, sizeof(T));
    return value;
}

template <class T> T shfl(int line, unsigned mask, T value, int source, int width = 32) {
    return exchange(line, mask, value, lane() / width * width + (source & (width - 1)));
}
template <class T> T shfl_up(int line, unsigned mask, T value, unsigned delta, int width = 32) {
    int source = lane() - int(delta);
    return exchange(line, mask, value, source < lane() / width * width ? lane() : source);
}
template <class T> T shfl_down(int line, unsigned mask, T value, unsigned delta, int width = 32) {
    int source = lane() + int(delta);
    return exchange(line, mask, value, source >= (lane() / width + 1) * width ? lane() : source);
}
template <class T> T shfl_xor(int line, unsigned mask, T value, int bits, int width = 32) {
    int source = lane() ^ bits;
    return exchange(line, mask, value, source >= (lane() / width + 1) * width ? lane() : source);
}

template <class T, class Change> T update(T* place, Change change) {
    T old = *place;
    *place = change(old);
    return old;
}

}  // namespace cuda_on_cpu

// Threads run one at a time, so atomics are plain. Only the types that CUDA has.
#define ATOMIC(name, T, result) \
    static inline T name(T* place, T value) { return cuda_on_cpu::update(place, [=](T old) -> T { return result; }); }
#define ATOMIC_INTEGERS(name, result) \
    ATOMIC(name, int, result) ATOMIC(name, unsigned, result) ATOMIC(name, unsigned long long, result)
ATOMIC_INTEGERS(atomicAdd, old + value)
ATOMIC(atomicAdd, float, old + value)
ATOMIC(atomicAdd, double, old + value)
ATOMIC(atomicSub, int, old - value)
ATOMIC(atomicSub, unsigned, old - value)
ATOMIC_INTEGERS(atomicMin, old < value ? old : value)
ATOMIC(atomicMin, long long, old < value ? old : value)
ATOMIC_INTEGERS(atomicMax, old > value ? old : value)
ATOMIC(atomicMax, long long, old > value ? old : value)
ATOMIC_INTEGERS(atomicAnd, old & value)
ATOMIC_INTEGERS(atomicOr, old | value)
ATOMIC_INTEGERS(atomicXor, old ^ value)
ATOMIC_INTEGERS(atomicExch, ((void)old, value))
ATOMIC(atomicExch, float, ((void)old, value))
#define ATOMIC_CAS(T) \
    static inline T atomicCAS(T* place, T compare, T value) { \
        return cuda_on_cpu::update(place, [=](T old) -> T { return old == compare ? value : old; }); \
    }
ATOMIC_CAS(int) ATOMIC_CAS(unsigned) ATOMIC_CAS(unsigned long long) ATOMIC_CAS(unsigned short)

template <class A, class B> constexpr std::common_type_t<A, B> min(A a, B b) {
    using T = std::common_type_t<A, B>;
    if constexpr (std::is_floating_point_v<T>) return sizeof(T) == 4 ? T(fminf(float(a), float(b))) : T(fmin(a, b));
    return T(b) < T(a) ? T(b) : T(a);
}
template <class A, class B> constexpr std::common_type_t<A, B> max(A a, B b) {
    using T = std::common_type_t<A, B>;
    if constexpr (std::is_floating_point_v<T>) return sizeof(T) == 4 ? T(fmaxf(float(a), float(b))) : T(fmax(a, b));
    return T(a) < T(b) ? T(b) : T(a);
}

template <class To, class From> static inline To cuda_bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}
#define __float_as_uint(x) cuda_bits<unsigned>(float(x))
#define __float_as_int(x) cuda_bits<int>(float(x))
#define __uint_as_float(x) cuda_bits<float>(unsigned(x))
#define __int_as_float(x) cuda_bits<float>(int(x))
#define __double_as_longlong(x) cuda_bits<long long>(double(x))
#define __longlong_as_double(x) cuda_bits<double>((long long)(x))

static inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(uint64_t(a) * b >> 32); }
static inline int __mulhi(int a, int b) { return int(int64_t(a) * b >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)(a)*b >> 64);
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }

static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float rsqrt(float x) { return rsqrtf(x); }
#define __expf(x) expf(x)  // glibc has a function of that name
#define __logf(x) logf(x)  // glibc has a function of that name
#define __powf(x, y) powf(x, y)
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }
static inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __fadd_rn(float x, float y) { return x + y; }
static inline float __fsub_rn(float x, float y) { return x - y; }
static inline float __fdiv_rn(float x, float y) { return x / y; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __frcp_rn(float x) { return 1 / x; }
static inline double __dmul_rn(double x, double y) { return x * y; }
static inline double __dadd_rn(double x, double y) { return x + y; }
static inline double __ddiv_rn(double x, double y) { return x / y; }
static inline double __dsqrt_rn(double x) { return sqrt(x); }
static inline int __float2int_rn(float x) { return int(rintf(x)); }
static inline int __float2int_rd(float x) { return int(floorf(x)); }
static inline int __float2int_rz(float x) { return int(x); }
static inline float __int2float_rn(int x) { return float(x); }
static inline float __uint2float_rn(unsigned x) { return float(x); }

template <class T> static inline T __ldg(const T* place) { return *place; }
template <class T> static inline T __ldcs(const T* place) { return *place; }
template <class T> static inline T __ldcg(const T* place) { return *place; }
template <class T> static inline void __stcs(T* place, T value) { *place = value; }
template <class T> static inline void __stcg(T* place, T value) { *place = value; }
static inline void __threadfence() {}
static inline void __threadfence_block() {}

#define VECTORS(T, name, align2, align4) \
    struct alignas(align2) name##2 { T x, y; }; \
    struct name##3 { T x, y, z; }; \
    struct alignas(align4) name##4 { T x, y, z, w; }; \
    static inline name##2 make_##name##2(T x, T y) { return {x, y}; } \
    static inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; } \
    static inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
VECTORS(float, float, 8, 16)
VECTORS(int, int, 8, 16)
VECTORS(unsigned, uint, 8, 16)
VECTORS(double, double, 16, 16)
VECTORS(unsigned char, uchar, 2, 4)

#define CUDART_INF_F __builtin_inff()
#define CUDART_INF __builtin_inf()
#define CUDART_NAN_F __builtin_nanf("")
#define CUDART_NAN __builtin_nan("")

// What -fsanitize calls, so that libubsan is not needed: every one begins its data with a place in the source.
struct CudaPlace {
    const char* file;
    unsigned line, column;
};
#define SANITIZER(name, what) \
    extern "C" __attribute__((used, visibility("hidden"))) void __ubsan_handle_##name(CudaPlace* place, ...) { \
        cuda_on_cpu::fail("line %u: %s", place->line, what); \
    }
SANITIZER(type_mismatch_v1, "null or misaligned pointer")
SANITIZER(out_of_bounds, "index outside of an array")
SANITIZER(shift_out_of_bounds, "shift by too much")
SANITIZER(divrem_overflow, "division by zero")
SANITIZER(add_overflow, "signed addition overflows")
SANITIZER(sub_overflow, "signed subtraction overflows")
SANITIZER(mul_overflow, "signed multiplication overflows")
SANITIZER(negate_overflow, "negation overflows")
