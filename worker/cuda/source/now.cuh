// What changes from step to step, in device memory: a captured graph reads it there. Written by `set_now`.
struct Now {
    long long number;   // training steps before this one
    long long batch;    // of this epoch, from 0
    double rate;        // the learning rate
    float scale;        // of the loss, with half-precision gradients; 1 otherwise
    float unused;
    float counts[4];    // over how much losses normalise, in the order of the executor
};
