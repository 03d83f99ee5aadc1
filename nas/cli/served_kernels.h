// Which implementation serves what a run will compute on this machine, and why: what
// `info --policy` shows.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "nas/cli/session.h"
#include "nas/space/network_desc.h"
#include "nas/space/search_space.h"
#include "nas/supernet/rehearsal.h"

namespace nasengine {

// One operator on one shape.
struct ServedKernel {
  std::string op;
  KernelShape shape;
  KernelChoice choice;
};

struct ServedKernels {
  std::string device;
  std::string capability;  // the best that the device has; empty: none above the baseline
  int threads = 1;
  KernelPolicy policy;
  std::vector<ServedKernel> kernels;  // sorted
};

// Of all paths of a search's steps, or of a network's training step with `batch` images and of its
// evaluation. No step is computed: steps are rehearsed in `dtype` as before a run, the folded
// network of the evaluation, f32 in batches of kEvaluationBatch, is prepared, and the policy
// remembers what it was asked.
ServedKernels KernelsOfSearch(Session& session, const SearchSpace& space,
                              const std::vector<SizedStep>& steps, DType dtype);
ServedKernels KernelsOfTraining(Session& session, const NetworkDesc& network, std::int64_t batch,
                                DType dtype);

// Ends with a line break.
std::string ServedKernelsText(const ServedKernels& served);
nlohmann::ordered_json ServedKernelsJson(const ServedKernels& served);

}  // namespace nasengine
