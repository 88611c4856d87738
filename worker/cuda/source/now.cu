#include "now.cuh"

// By value, so that the host may go on at once: the arguments travel with the launch.
extern "C" __global__ void set_now(Now* now, long long number, long long batch, double rate,
                                   float count0, float count1, float count2, float count3) {
    now->number = number;
    now->batch = batch;
    now->rate = rate;
    now->counts[0] = count0;
    now->counts[1] = count1;
    now->counts[2] = count2;
    now->counts[3] = count3;
}
