// What changes from step to step. It lies in device memory, where a captured graph reads it; `set_now` writes it.
// cuda/step.py knows the size and some offsets.
struct Now {
    long long number;   // training steps before this one
    long long batch;    // of this epoch, from 0
    double rate;        // the learning rate
    float scale;        // what the loss's gradient is multiplied by in float16; 1 otherwise
    float unused;
    float counts[4];    // what losses normalise by, in the executor's order
    long long update;   // the optimizer's updates with this one
    float numbers[4];   // what else of the optimizer's numbers changes
};
