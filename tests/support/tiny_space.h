// A search space of a few thousand weights, for tests that build, search and train real networks
// in milliseconds.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "nas/space/space_file.h"

namespace nasengine {

struct TinySpaceOptions {
  Size3 input = {8, 8, 2};
  int classes = 3;
  int stem_kernel = 3;
  int stem_channels = 4;
  // One stage: the first of its blocks has the stride, the others are skippable if `zero`.
  int channels = 8;
  int blocks = 2;
  int stride = 2;
  std::vector<std::string> candidates = {"3x3_MBConv3", "5x5_MBConv3"};
  bool zero = true;
  bool share = false;  // one gate for all blocks of the stage
};

// A stem, the stage, a classifier, as a space file.
inline std::string TinySpaceToml(const TinySpaceOptions& options = {}) {
  std::string candidates;
  for (const std::string& candidate : options.candidates) {
    candidates += StrCat(candidates.empty() ? "" : ", ", "\"", candidate, "\"");
  }
  const Size3& input = options.input;
  return StrCat(
      "version = 1\nname = \"tiny\"\ninput = [", input.h, ", ", input.w, ", ", input.c,
      "]\nclasses = ", options.classes,
      "\n[[layer]]\nname = \"stem\"\nop = \"conv\"\nkernel = ", options.stem_kernel,
      "\nchannels = ", options.stem_channels,
      "\nactivation = \"relu6\"\nkey = \"Conv\"\n[[stage]]\nchannels = ", options.channels,
      "\nblocks = ", options.blocks, "\nstride = ", options.stride, "\ncandidates = [", candidates,
      "]\nzero = ", options.zero ? "true" : "false", options.share ? "\nshare = \"stage\"" : "",
      "\n[[layer]]\nname = \"classifier\"\nop = \"classifier\"\n");
}

// That space with small batches, short phases, no augmentation, no dropout.
inline SearchSpace TinySpace(const TinySpaceOptions& options = {}) {
  SearchSpace space = ParseSpace(TinySpaceToml(options), "tiny.toml");
  Recipe& recipe = space.recipe;
  recipe.batch = 16;
  recipe.warmup_epochs = 1;
  recipe.search_epochs = 2;
  recipe.train_epochs = 2;
  recipe.arch_start_epoch = 0;
  recipe.flip = false;
  recipe.dropout = 0;
  recipe.calibration_batches = 4;
  return space;
}

// Every kernel and expansion that the engine knows: six candidates, seven with Zero.
inline const std::vector<std::string> kSixCandidates = {
    "3x3_MBConv3", "3x3_MBConv6", "5x5_MBConv3", "5x5_MBConv6", "7x7_MBConv3", "7x7_MBConv6"};

}  // namespace nasengine
