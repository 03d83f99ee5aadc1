// SPDX-License-Identifier: MIT
#include "nas/search/expected_latency.h"

namespace nasengine {

GateProbabilities ProbabilitiesOf(const Supernet& supernet) {
  GateProbabilities probabilities;
  for (const BinaryGate& gate : supernet.gates()) probabilities.push_back(gate.Probabilities());
  return probabilities;
}

double ExpectedLatencyMs(const Supernet& supernet, const LatencyModel* latency,
                         const GateProbabilities& probabilities) {
  if (latency == nullptr) return 0;
  BlockProbabilities of_blocks;
  for (const int gate : supernet.gate_of()) {
    of_blocks.push_back(probabilities[static_cast<std::size_t>(gate)]);
  }
  return latency->ExpectedMs(of_blocks);
}

double ExpectedLatencyMs(const Supernet& supernet, const LatencyModel* latency) {
  return ExpectedLatencyMs(supernet, latency, ProbabilitiesOf(supernet));
}

}  // namespace nasengine
