// Blocks of CUDA threads on one processor: every thread of a block is a fiber that runs until it waits.
#pragma GCC system_header
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

struct dim3 {
    unsigned x, y, z;
};
static dim3 threadIdx, blockIdx, blockDim, gridDim;
static constexpr int warpSize = 32;

// The linker names the bounds of the section in which all __shared__ variables lie.
extern "C" char __start_cuda_shared[] __attribute__((weak, visibility("hidden")));
extern "C" char __stop_cuda_shared[] __attribute__((weak, visibility("hidden")));

namespace cuda_on_cpu {

constexpr unsigned MOST_THREADS = 1024, STACK = 64 << 10, PAGE = 4096;
enum State { IDLE, READY, AT_BARRIER, AT_WARP };
enum : int { NO_LANE = -1, BALLOT = -2 };  // instead of the lane that a thread reads

struct Fiber {
    jmp_buf where;
    ucontext_t context;
    char* stack;
    bool begun;
    State state;
    unsigned thread;  // that it runs at present
    dim3 index;
    int line, source;
    unsigned mask;
    uint64_t value, result;
};

static Fiber fibers[MOST_THREADS], *fiber_of[MOST_THREADS], *running;
static jmp_buf scheduler;
static unsigned threads, begun_threads, used_fibers;
static bool reversed;
static char complaint[512];
static void (*body)(void*);
static void* body_data;
alignas(16) static char dynamic_shared[48 << 10];

// Note what is wrong and give the launch up; returns only outside of fibers.
template <class... Parts> void fail(const char* format, Parts... parts) {
    if (!complaint[0]) {
        int used = snprintf(complaint, sizeof complaint, format, parts...);
        snprintf(complaint + used, sizeof complaint - used, " (block %u,%u,%u thread %u,%u,%u)", blockIdx.x, blockIdx.y,
                 blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z);
    }
    if (running) _longjmp(scheduler, 1);
}

static void begin_thread(Fiber& fiber) {
    unsigned place = begun_threads++;
    unsigned thread = reversed ? threads - 1 - place : place;
    fiber.thread = thread;
    fiber_of[thread] = &fiber;
    fiber.index = {thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / blockDim.x / blockDim.y};
    threadIdx = fiber.index;
}

// A fiber runs threads to their end for as long as none of them waits: kernels without barriers need only one.
static void fiber_main() {
    for (;;) {
        while (begun_threads < threads) {
            begin_thread(*running);
            body(body_data);
            fiber_of[running->thread] = nullptr;
        }
        running->state = IDLE;
        if (!_setjmp(running->where)) _longjmp(scheduler, 1);
    }
}

static void begin_fiber(Fiber& fiber) {
    if (!fiber.stack) {
        void* memory = mmap(nullptr, STACK + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return fail("no memory for stacks");
        mprotect(memory, PAGE, PROT_NONE);  // an overflow is a fault, not somebody else's data
        fiber.stack = static_cast<char*>(memory) + PAGE;
    }
    fiber.begun = true;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = STACK;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, fiber_main, 0);
    setcontext(&fiber.context);
}

// _setjmp and _longjmp switch without system calls, unlike swapcontext.
static void resume(Fiber& fiber) {
    if (!_setjmp(scheduler)) {
        running = &fiber;
        fiber.state = READY;
        threadIdx = fiber.index;
        if (fiber.begun) _longjmp(fiber.where, 1);
        begin_fiber(fiber);
    }
    running = nullptr;
}

static uint64_t wait(State state, int line, unsigned mask, uint64_t value, int source) {
    Fiber& fiber = *running;
    fiber.state = state, fiber.line = line, fiber.mask = mask, fiber.value = value, fiber.source = source;
    if (!_setjmp(fiber.where)) _longjmp(scheduler, 1);
    return running->result;
}

// Everybody who has not ended waits at the barrier: let all go on, each with the sum of what they brought.
static bool release_block() {
    uint64_t sum = 0;
    int line = 0;
    for (unsigned t = 0; t < threads; t++) {
        if (!fiber_of[t]) continue;
        if (fiber_of[t]->state != AT_BARRIER) return false;
        if (line && fiber_of[t]->line != line) {
            threadIdx = fiber_of[t]->index;
            fail("threads wait at different barriers: line %d and line %d", line, fiber_of[t]->line);
            return false;
        }
        line = fiber_of[t]->line;
        sum += fiber_of[t]->value;
    }
    for (unsigned t = 0; t < threads; t++)
        if (fiber_of[t]) fiber_of[t]->state = READY, fiber_of[t]->result = sum;
    return true;
}

static bool same_wait(const Fiber* one, const Fiber& other) {
    return one && one->state == AT_WARP && one->line == other.line && one->mask == other.mask;
}

// The lanes that `first` waits for, if all of them that have not ended wait as it does.
static bool release_lanes(const Fiber& first) {
    unsigned base = first.thread & ~31u, ready = 0;
    uint64_t ballot = 0;
    for (unsigned lane = 0; lane < 32 && base + lane < threads; lane++) {
        const Fiber* other = fiber_of[base + lane];
        if (!(first.mask >> lane & 1) || !other) continue;
        if (!same_wait(other, first)) return false;
        ready |= 1u << lane;
        ballot |= uint64_t(other->value != 0) << lane;
    }
    for (unsigned lane = 0; lane < 32; lane++) {
        if (!(ready >> lane & 1)) continue;
        Fiber& fiber = *fiber_of[base + lane];
        bool there = fiber.source >= 0 && (ready >> fiber.source & 1);
        fiber.result = fiber.source == BALLOT ? ballot : there ? fiber_of[base + fiber.source]->value : ~uint64_t(0);
    }
    for (unsigned lane = 0; lane < 32; lane++)
        if (ready >> lane & 1) fiber_of[base + lane]->state = READY;
    return true;
}

static bool release() {
    bool waiting = false, released = false;
    for (unsigned t = 0; t < threads; t++) {
        if (!fiber_of[t]) continue;
        waiting = true;
        if (fiber_of[t]->state == AT_WARP) released |= release_lanes(*fiber_of[t]);
    }
    if (waiting && !released && !release_block()) {
        fail("threads diverge: some wait at a barrier or shuffle that others never reach");
        return false;
    }
    return waiting;
}

static void run_block() {
    begun_threads = used_fibers = 0;
    if (__start_cuda_shared) memset(__start_cuda_shared, 0xFF, __stop_cuda_shared - __start_cuda_shared);
    while (begun_threads < threads && !complaint[0]) resume(fibers[used_fibers++]);
    while (!complaint[0] && release())
        for (unsigned f = 0; f < used_fibers && !complaint[0]; f++)
            if (fibers[f].state == READY) resume(fibers[f]);
    if (complaint[0])  // what the fibers were at is given up
        for (unsigned f = 0; f < used_fibers; f++) fibers[f].begun = false, fibers[f].state = IDLE;
    memset(fiber_of, 0, sizeof fiber_of);
}

static void on_fault(int, siginfo_t* info, void*) { fail("no such memory: address %p", info->si_addr); }

// Faults inside of kernels become complaints while one of these lives.
struct Faults {
    struct sigaction segv, bus;
    stack_t stack;
    Faults() {
        static char own[64 << 10];
        stack_t mine = {};
        mine.ss_sp = own, mine.ss_size = sizeof own;
        sigaltstack(&mine, &stack);
        struct sigaction action = {};
        action.sa_sigaction = on_fault, action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        sigaction(SIGSEGV, &action, &segv);
        sigaction(SIGBUS, &action, &bus);
    }
    ~Faults() {
        sigaction(SIGSEGV, &segv, nullptr);
        sigaction(SIGBUS, &bus, nullptr);
        sigaltstack(&stack, nullptr);
    }
};

// `shape` is the grid and the block. Returns what is wrong, or nullptr.
template <class Body> const char* run(const unsigned* shape, int backwards, size_t shared, Body kernel) {
    gridDim = {shape[0], shape[1], shape[2]}, blockDim = {shape[3], shape[4], shape[5]};
    threads = blockDim.x * blockDim.y * blockDim.z;
    reversed = backwards;
    complaint[0] = 0;
    body = [](void* data) { (*static_cast<Body*>(data))(); };
    body_data = &kernel;
    Faults faults;
    uint64_t blocks = uint64_t(gridDim.x) * gridDim.y * gridDim.z;
    for (uint64_t place = 0; place < blocks && !complaint[0]; place++) {
        uint64_t block = reversed ? blocks - 1 - place : place;
        blockIdx = {unsigned(block % gridDim.x), unsigned(block / gridDim.x % gridDim.y),
                    unsigned(block / gridDim.x / gridDim.y)};
        memset(dynamic_shared, 0xFF, shared);
        run_block();
    }
    return complaint[0] ? complaint : nullptr;
}

}  // namespace cuda_on_cpu
