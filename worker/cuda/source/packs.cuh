// PACK neighbouring elements of an array as float32. Elements are float, or unsigned short for 16 bits, whose type
// halves.cuh says; it must be included before. Addresses must be multiples of a pack's size, or of 16 bytes if that is less:
// the compiler then moves a pack by one access.

__device__ inline float number(float element) { return element; }
__device__ inline float number(unsigned short element) { return widen(element); }

__device__ inline void put(float value, float& element) { element = value; }
__device__ inline void put(float value, unsigned short& element) { element = narrow(value); }

template <typename T>
struct alignas(PACK * sizeof(T) < 16 ? PACK * sizeof(T) : 16) Packed {
    T at[PACK];
};

struct Numbers {
    float at[PACK];
};

template <typename T>
__device__ inline Numbers read(const T* array, long long pack) {
    Packed<T> found = ((const Packed<T>*)array)[pack];
    Numbers numbers;
    for (int j = 0; j < PACK; j++) numbers.at[j] = number(found.at[j]);
    return numbers;
}

template <typename T>
__device__ inline void write(T* array, long long pack, const Numbers& numbers) {
    Packed<T> made;
    for (int j = 0; j < PACK; j++) put(numbers.at[j], made.at[j]);
    ((Packed<T>*)array)[pack] = made;
}
