// Philox4x32-10 [Salmon et al., SC 2011] in device code: the very words of kernels/core/rng.h.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/core/rng.h"
#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {

// A stream of an Rng at a step, as a kernel takes it.
struct RngStream {
  std::uint32_t seed;
  std::uint32_t purpose;
  std::uint64_t step;

  RngStream(const Rng& rng, std::uint64_t at_step)
      : seed(rng.seed()), purpose(static_cast<std::uint32_t>(rng.purpose())), step(at_step) {}
};

// words = Rng::Bits(step, element).
__device__ __forceinline__ void RandomBits(const RngStream& stream, std::uint64_t element,
                                           std::uint32_t (&words)[4]) {
  constexpr std::uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
  constexpr int kRounds = 10;
  words[0] = static_cast<std::uint32_t>(stream.step);
  words[1] = static_cast<std::uint32_t>(stream.step >> 32);
  words[2] = static_cast<std::uint32_t>(element);
  words[3] = static_cast<std::uint32_t>(element >> 32);
#pragma unroll
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const std::uint64_t a = std::uint64_t{kMultiplier0} * words[0];
    const std::uint64_t b = std::uint64_t{kMultiplier1} * words[2];
    const auto a_high = static_cast<std::uint32_t>(a >> 32);
    const auto b_high = static_cast<std::uint32_t>(b >> 32);
    words[0] = b_high ^ words[1] ^ (stream.seed + round * kWeyl0);
    words[1] = static_cast<std::uint32_t>(b);
    words[2] = a_high ^ words[3] ^ (stream.purpose + round * kWeyl1);
    words[3] = static_cast<std::uint32_t>(a);
  }
}

// = Rng::Uniform(step, element).
__device__ __forceinline__ float RandomUniform(const RngStream& stream, std::uint64_t element) {
  std::uint32_t words[4];
  RandomBits(stream, element, words);
  return static_cast<float>(words[0] >> 8) * 5.9604644775390625e-8f;  // 2^-24
}

}  // namespace nasengine::cuda
