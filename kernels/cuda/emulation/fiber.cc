// SPDX-License-Identifier: MIT
#include "kernels/cuda/emulation/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>

#include "kernels/cuda/emulation/sanitizers.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if !defined(__x86_64__) || defined(NASENGINE_UCONTEXT)
#define NASENGINE_FIBERS_ARE_UCONTEXTS
#include <ucontext.h>
#endif

#ifndef NASENGINE_FIBERS_ARE_UCONTEXTS
// NOLINTBEGIN(readability-identifier-naming): symbols of the assembly below.
extern "C" {
// Saves on the stack that is left what a call must preserve, and takes it from the one that is gone
// on with.
void nasengine_switch_stack(void** left, void* next);
// Where a new fiber begins, with what it calls in r13 and the argument in r12.
void nasengine_begin_fiber();
}
// NOLINTEND(readability-identifier-naming)
asm(R"(
.pushsection .text
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
.type nasengine_begin_fiber, @function
nasengine_begin_fiber:
  movq %r12, %rdi
  callq *%r13
  ud2
.size nasengine_begin_fiber, .-nasengine_begin_fiber
.popsection
)");
#endif

namespace nasengine::cuda::emulation {

struct Fiber::State {
  std::byte* memory = nullptr;  // a page that nobody may touch, then the stack
  std::size_t guard_bytes = 0;
  Entry entry = nullptr;
  void* argument = nullptr;
#ifdef NASENGINE_FIBERS_ARE_UCONTEXTS
  ucontext_t own;
  ucontext_t resumer;
#else
  void* own = nullptr;
  void* resumer = nullptr;
#endif
#if defined(__SANITIZE_ADDRESS__)
  void* own_fake_stack = nullptr;
  void* resumer_fake_stack = nullptr;
  const void* resumer_stack = nullptr;
  std::size_t resumer_stack_bytes = 0;
#endif
#if defined(__SANITIZE_THREAD__)
  void* own_tsan = nullptr;
  void* resumer_tsan = nullptr;
#endif

  std::byte* stack() const { return memory + guard_bytes; }
  // Less than the stack, and another end on each: else what all fibers use most would lie in the
  // same few sets of the cache.
  std::size_t usable_bytes() const {
    const std::size_t page = reinterpret_cast<std::uintptr_t>(memory) / guard_bytes;
    return kStackBytes - page % 61 * 64;
  }

  // On the fiber's stack, each time that it is come back to.
  void Entered() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(own_fake_stack, &resumer_stack, &resumer_stack_bytes);
#endif
  }

  // Makes the next switch to the fiber begin at Loop.
  void MakeFirstFrame();
  void Leave();
  // The whole of a fiber: one entry after another, so that none leaves anything on the stack.
  [[noreturn]] static void Loop(State* state) {
    state->Entered();
    while (true) {
      state->entry(state->argument);
      state->Leave();
    }
  }
};

void Fiber::State::MakeFirstFrame() {
#ifdef NASENGINE_FIBERS_ARE_UCONTEXTS
  getcontext(&own);
  own.uc_stack.ss_sp = stack();
  own.uc_stack.ss_size = usable_bytes();
  own.uc_link = nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(this);
  // makecontext passes ints only.
  void (*begin)(unsigned, unsigned) = [](unsigned high, unsigned low) {
    Loop(reinterpret_cast<State*>((std::uintptr_t{high} << 32) | low));
  };
  makecontext(&own, reinterpret_cast<void (*)()>(begin), 2, static_cast<unsigned>(address >> 32),
              static_cast<unsigned>(address));
#else
  // What nasengine_switch_stack pops: r15, r14, r13, r12, rbx, rbp and where to return to. Above
  // it the stack is aligned to 16 as the ABI wants it at a call.
  auto** top = reinterpret_cast<void**>(stack() + usable_bytes());
  *--top = nullptr;
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&nasengine_begin_fiber);
  *--top = nullptr;                         // rbp
  *--top = nullptr;                         // rbx
  *--top = this;                            // r12
  *--top = reinterpret_cast<void*>(&Loop);  // r13
  *--top = nullptr;                         // r14
  *--top = nullptr;                         // r15
  own = top;
#endif
#if defined(__SANITIZE_ADDRESS__)
  own_fake_stack = nullptr;
#endif
#if defined(__SANITIZE_THREAD__)
  own_tsan = __tsan_create_fiber(0);
#endif
}

Fiber::Fiber() : state_(std::make_unique<State>()) {
  state_->guard_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, state_->guard_bytes + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, state_->guard_bytes, PROT_NONE);
  state_->memory = static_cast<std::byte*>(memory);
  state_->MakeFirstFrame();
}

Fiber::~Fiber() {
#if defined(__SANITIZE_THREAD__)
  __tsan_destroy_fiber(state_->own_tsan);
#endif
  Unpoison(state_->stack(), kStackBytes);
  munmap(state_->memory, state_->guard_bytes + kStackBytes);
}

void Fiber::Start(Entry entry, void* argument, [[maybe_unused]] std::size_t number) {
  state_->entry = entry;
  state_->argument = argument;
#if defined(__SANITIZE_THREAD__)
  const std::string name = "thread " + std::to_string(number) + " of a block";
  __tsan_set_fiber_name(state_->own_tsan, name.c_str());
#endif
}

void Fiber::Abandon() {
#if defined(__SANITIZE_THREAD__)
  // There and back in name only: what the fiber did happens before what is done from now on.
  void* own = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(state_->own_tsan, 0);
  __tsan_switch_to_fiber(own, 0);
  __tsan_destroy_fiber(state_->own_tsan);
#endif
  Unpoison(state_->stack(), kStackBytes);
  state_->MakeFirstFrame();
}

void Fiber::Resume() {
  State& state = *state_;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&state.resumer_fake_stack, state.stack(), kStackBytes);
#endif
#if defined(__SANITIZE_THREAD__)
  state.resumer_tsan = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(state.own_tsan, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef NASENGINE_FIBERS_ARE_UCONTEXTS
  swapcontext(&state.resumer, &state.own);
#else
  nasengine_switch_stack(&state.resumer, state.own);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(state.resumer_fake_stack, nullptr, nullptr);
#endif
}

void Fiber::State::Leave() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&own_fake_stack, resumer_stack, resumer_stack_bytes);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(resumer_tsan, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef NASENGINE_FIBERS_ARE_UCONTEXTS
  swapcontext(&own, &resumer);
#else
  nasengine_switch_stack(&own, resumer);
#endif
  Entered();
}

void Fiber::Leave() { state_->Leave(); }

}  // namespace nasengine::cuda::emulation
