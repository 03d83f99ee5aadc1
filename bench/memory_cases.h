// The memory of one path beside that of all of them: what each algorithm's steps take in a space,
// planned, for the path that keeps most and for the mean of drawn ones.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/search_step.h"
#include "kernels/core/kernel_registry.h"
#include "nas/supernet/memory_plan.h"

namespace nasengine {

enum class CasePath {
  kLargest,  // the candidate of every block that keeps most
  kMean,     // the mean of evenly drawn paths
  kAll,
};
const char* NameOf(CasePath path);

// What a real step took.
struct MeasuredStep {
  MemoryPlan counted;               // without the images, as a plan
  std::int64_t resident_bytes = 0;  // the process's peak during the step, all of it
  double ms = 0;
};

struct MemoryCase {
  SearchStep step;
  CasePath path = CasePath::kAll;
  MemoryPlan planned;
  std::int64_t kept_bytes = 0;  // activations by the model of bench/kept_bytes.h
  // Where the step was really taken; never for a mean.
  std::optional<MeasuredStep> measured{};
};

// A space at one length of its candidate lists and one batch.
struct MemoryPoint {
  int candidates = 0;
  std::int64_t batch = 0;
  std::vector<MemoryCase> cases;
};

struct CaseOptions {
  std::int64_t batch = 1;
  DType dtype = DType::kF32;
  int threads = 1;
  KernelPolicy policy{};
  DeviceBackend* device = nullptr;  // which computes; null: the CPU
  int drawn_paths = 100;
};

// The space with the first `candidates` of every searchable block's list.
SearchSpace WithCandidates(const SearchSpace& space, int candidates);

// The length of the longest list.
std::size_t MostCandidates(const SearchSpace& space);

// Every step of kSearchSteps, those of one path along both kinds of path.
std::vector<MemoryCase> PlanCases(const SearchSpace& space, const KernelRegistry& registry,
                                  const CaseOptions& options);

// The case of `algorithm` that trains `trains` along `path`. Throws kNotFound.
const MemoryCase& FindCase(std::span<const MemoryCase> cases, const std::string& name,
                           CasePath path);

// What one path takes of what DARTS takes, each in its weight step: 0.25 is four times less.
struct ShareOfAllPaths {
  double mean_activations = 0;
  double largest_activations = 0;
  double mean_peak = 0;
  double largest_peak = 0;
};
ShareOfAllPaths CompareWithAllPaths(std::span<const MemoryCase> cases);

}  // namespace nasengine
