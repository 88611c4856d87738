// Philox4x32-10, the same numbers as worker/ops/philox.py: block `index` holds numbers 4 index to 4 index + 3 of a stream.
struct Words {
    unsigned at[4];
};

__device__ inline Words philox(unsigned long long index, unsigned step, unsigned node, unsigned key0, unsigned key1) {
    unsigned c0 = (unsigned)index, c1 = (unsigned)(index >> 32), c2 = step, c3 = node;
    for (int round = 0; round < 10; round++) {
        unsigned long long left = (unsigned long long)c0 * 0xD2511F53u, right = (unsigned long long)c2 * 0xCD9E8D57u;
        c0 = (unsigned)(right >> 32) ^ c1 ^ key0;
        c1 = (unsigned)right;
        c2 = (unsigned)(left >> 32) ^ c3 ^ key1;
        c3 = (unsigned)left;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}
