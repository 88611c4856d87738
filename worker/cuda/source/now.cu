#include "now.cuh"

// The figures come as arguments, which travel with the launch: the host need not keep a buffer until they are copied.
extern "C" __global__ void set_now(Now* now, long long number, long long batch, double rate,
                                   float count0, float count1, float count2, float count3,
                                   long long update, float number0, float number1, float number2, float number3) {
    now->number = number;
    now->batch = batch;
    now->rate = rate;
    now->counts[0] = count0;
    now->counts[1] = count1;
    now->counts[2] = count2;
    now->counts[3] = count3;
    now->update = update;
    now->numbers[0] = number0;
    now->numbers[1] = number1;
    now->numbers[2] = number2;
    now->numbers[3] = number3;
}
