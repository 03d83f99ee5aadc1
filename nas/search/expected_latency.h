// What a supernet's gates make of latency.
// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "nas/latency/latency_model.h"
#include "nas/supernet/supernet.h"

namespace nasengine {

// One row a gate.
using GateProbabilities = std::vector<std::vector<double>>;
// The softmax of every gate's alphas.
GateProbabilities ProbabilitiesOf(const Supernet& supernet);

// The expected latency where every gate chooses by its row of `probabilities`, in ms; 0 without a
// latency model.
double ExpectedLatencyMs(const Supernet& supernet, const LatencyModel* latency,
                         const GateProbabilities& probabilities);
// Where every gate chooses by its present alphas.
double ExpectedLatencyMs(const Supernet& supernet, const LatencyModel* latency);

}  // namespace nasengine
