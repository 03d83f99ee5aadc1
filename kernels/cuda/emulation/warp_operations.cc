// SPDX-License-Identifier: MIT
#include "kernels/cuda/emulation/warp_operations.h"

namespace nasengine::cuda::emulation {
namespace {

void DoNothing(unsigned /*mask*/, const LaneParts& /*lanes*/) {}

void DoShuffle(unsigned /*mask*/, const LaneParts& lanes) {
  for (LanePart* lane : lanes) {
    if (lane == nullptr) continue;
    const LanePart& source = *lanes[static_cast<std::size_t>(lane->source)];
    lane->result[0] = source.given[0];
    lane->result[1] = source.given[1];
  }
}

// The bf16 in one half of a word.
float Half(std::uint32_t word, bool high) {
  const std::uint32_t bits = high ? word & 0xffff0000u : word << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// d += a b; every lane gives a[4] and b[2], and holds d[4] as its result.
void DoTensorCoreProduct(unsigned /*mask*/, const LaneParts& lanes) {
  constexpr std::size_t kRows = 16;
  constexpr std::size_t kColumns = 8;
  constexpr std::size_t kDepth = 16;
  float a[kRows][kDepth];
  float b[kDepth][kColumns];
  for (std::size_t k = 0; k < kDepth; ++k) {
    const std::size_t lane_of_k = k % 8 / 2;
    const std::size_t word_of_k = k / 8;
    for (std::size_t row = 0; row < kRows; ++row) {
      const LanePart& lane = *lanes[row % 8 * 4 + lane_of_k];
      a[row][k] = Half(lane.given[row / 8 + 2 * word_of_k], k % 2 != 0);
    }
    for (std::size_t column = 0; column < kColumns; ++column) {
      const LanePart& lane = *lanes[column * 4 + lane_of_k];
      b[k][column] = Half(lane.given[4 + word_of_k], k % 2 != 0);
    }
  }
  float d[kRows][kColumns];
  // Element i of a lane's.
  const auto d_of = [&d](std::size_t lane, std::size_t i) -> float& {
    return d[lane / 4 + i / 2 * 8][2 * (lane % 4) + i % 2];
  };
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    for (std::size_t i = 0; i < 4; ++i) {
      std::memcpy(&d_of(lane, i), &lanes[lane]->result[i], sizeof(float));
    }
  }
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t k = 0; k < kDepth; ++k) {
      for (std::size_t column = 0; column < kColumns; ++column) {
        d[row][column] += a[row][k] * b[k][column];
      }
    }
  }
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    for (std::size_t i = 0; i < 4; ++i) {
      std::memcpy(&lanes[lane]->result[i], &d_of(lane, i), sizeof(float));
    }
  }
}

}  // namespace

void SyncLanes(unsigned mask, Place place) {
  LanePart nothing{};
  DoAsWarp(mask, nothing, DoNothing, place);
}

void Shuffle(unsigned mask, LanePart& part, Place place) {
  if ((mask >> part.source & 1) == 0) Fail("a shuffle reads a lane outside its mask", place);
  DoAsWarp(mask, part, DoShuffle, place);
}

void TensorCoreProduct(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                       Place place) {
  LanePart part{};
  std::memcpy(part.given.data(), a, sizeof(a));
  std::memcpy(part.given.data() + 4, b, sizeof(b));
  std::memcpy(part.result.data(), d, sizeof(d));
  DoAsWarp(0xffffffffu, part, DoTensorCoreProduct, place);
  std::memcpy(d, part.result.data(), sizeof(d));
}

}  // namespace nasengine::cuda::emulation
