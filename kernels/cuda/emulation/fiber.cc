// SPDX-License-Identifier: MIT
#include "kernels/cuda/emulation/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace nasengine::cuda::emulation {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStackBytes = 256 * 1024;
#else
constexpr std::size_t kStackBytes = 64 * 1024;
#endif

}  // namespace

#if defined(__x86_64__)

// Saves what a call must preserve on the stack that is left, and takes it from the one that is gone
// on with.
extern "C" void nasengine_switch_stack(void** left, void* next);
asm(R"(
.text
.type nasengine_switch_stack, @function
nasengine_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size nasengine_switch_stack, .-nasengine_switch_stack
)");

#endif

struct Fiber::State {
  std::byte* memory = nullptr;  // a guard page, then the stack
  std::size_t guard_bytes = 0;
  void (*entry)(void*) = nullptr;
  void* argument = nullptr;
#if defined(__x86_64__)
  void* own = nullptr;
  void* resumer = nullptr;
#else
  ucontext_t own;
  ucontext_t resumer;
#endif
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  void* resumer_fake_stack = nullptr;
  const void* resumer_stack = nullptr;
  std::size_t resumer_stack_bytes = 0;
#endif
#if defined(__SANITIZE_THREAD__)
  void* tsan_own = nullptr;
  void* tsan_resumer = nullptr;
#endif

  std::byte* stack() const { return memory + guard_bytes; }

  // On the fiber's stack, each time that it goes on.
  void Entered() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack, &resumer_stack, &resumer_stack_bytes);
#endif
  }

  static void Begin(State* state) {
    state->Entered();
    state->entry(state->argument);
  }
};

namespace {

#if defined(__x86_64__)
// Where a new fiber begins: its state lies in the register that the first frame put there.
extern "C" void nasengine_begin_fiber();
asm(R"(
.text
.type nasengine_begin_fiber, @function
nasengine_begin_fiber:
  movq %r12, %rdi
  callq *%r13
  ud2
.size nasengine_begin_fiber, .-nasengine_begin_fiber
)");
#endif

}  // namespace

Fiber::Fiber() : state_(std::make_unique<State>()) {
  state_->guard_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, state_->guard_bytes + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, state_->guard_bytes, PROT_NONE);
  state_->memory = static_cast<std::byte*>(memory);
}

Fiber::~Fiber() {
#if defined(__SANITIZE_THREAD__)
  if (state_->tsan_own != nullptr) __tsan_destroy_fiber(state_->tsan_own);
#endif
  munmap(state_->memory, state_->guard_bytes + kStackBytes);
}

void Fiber::Start(void (*entry)(void*), void* argument) {
  State& state = *state_;
  state.entry = entry;
  state.argument = argument;
#if defined(__SANITIZE_ADDRESS__)
  state.fake_stack = nullptr;
#endif
#if defined(__SANITIZE_THREAD__)
  if (state.tsan_own != nullptr) __tsan_destroy_fiber(state.tsan_own);
  state.tsan_own = __tsan_create_fiber(0);
#endif
#if defined(__x86_64__)
  // What nasengine_switch_stack pops: r15, r14, r13, r12, rbx, rbp and where to return to. The
  // call in nasengine_begin_fiber then finds the stack aligned as the ABI wants it.
  auto** top = reinterpret_cast<void**>(state.stack() + kStackBytes);
  *--top = nullptr;
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&nasengine_begin_fiber);
  *--top = nullptr;                                 // rbp
  *--top = nullptr;                                 // rbx
  *--top = &state;                                  // r12
  *--top = reinterpret_cast<void*>(&State::Begin);  // r13
  *--top = nullptr;                                 // r14
  *--top = nullptr;                                 // r15
  state.own = top;
#else
  getcontext(&state.own);
  state.own.uc_stack.ss_sp = state.stack();
  state.own.uc_stack.ss_size = kStackBytes;
  state.own.uc_link = nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(&state);
  // makecontext passes ints only.
  void (*begin)(unsigned, unsigned) = [](unsigned high, unsigned low) {
    State::Begin(reinterpret_cast<State*>((std::uintptr_t{high} << 32) | low));
  };
  makecontext(&state.own, reinterpret_cast<void (*)()>(begin), 2,
              static_cast<unsigned>(address >> 32), static_cast<unsigned>(address));
#endif
}

void Fiber::Resume() {
  State& state = *state_;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&state.resumer_fake_stack, state.stack(), kStackBytes);
#endif
#if defined(__SANITIZE_THREAD__)
  state.tsan_resumer = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(state.tsan_own, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(__x86_64__)
  nasengine_switch_stack(&state.resumer, state.own);
#else
  swapcontext(&state.resumer, &state.own);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(state.resumer_fake_stack, nullptr, nullptr);
#endif
}

void Fiber::Leave(bool for_good) {
  State& state = *state_;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(for_good ? nullptr : &state.fake_stack, state.resumer_stack,
                                 state.resumer_stack_bytes);
#else
  static_cast<void>(for_good);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(state.tsan_resumer, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(__x86_64__)
  nasengine_switch_stack(&state.own, state.resumer);
#else
  swapcontext(&state.own, &state.resumer);
#endif
  state.Entered();
}

}  // namespace nasengine::cuda::emulation
