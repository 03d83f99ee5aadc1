// Our weight step beside PyTorch's of the same path: `bench step --peer pytorch`.
// SPDX-License-Identifier: MIT
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bench/commands.h"
#include "bench/workbench.h"
#include "kernels/core/error.h"
#include "nas/space/search_space.h"

namespace nasengine {

// The program of bench/peers/pytorch_step.py on the threads and cores of `bench`, with `words` of
// its own. It is asked {"networks": [...], "batch"}.
std::vector<std::string> PytorchCommand(const Workbench& bench, const BenchOptions& options,
                                        const std::string& dtype,
                                        const std::vector<std::string>& words);
// Whether a StepPeer of it could not be had because there is no Python, or no PyTorch in it.
bool IsWithoutPytorch(const Error& error);

// "fashion pytorch eager nchw f32" and the others.
std::vector<std::string> PytorchRowNames(const SearchSpace& space);

// Times a weight step of `space` along its typical path in turn with PyTorch's: eager and compiled,
// in either layout of images, in f32 and under autocast to bf16, whichever options.filter finds.
// Adds a row each to `rows` and, unless a document is wanted, prints them. What cannot be run is
// left out, and one line on stderr says why. Returns false where there is no PyTorch at all.
bool ComparePytorch(Workbench& bench, const SearchSpace& space, std::int64_t batch,
                    const BenchOptions& options, nlohmann::ordered_json& rows);

}  // namespace nasengine
