// The mobile inverted bottleneck without its residual: expand, depthwise, project.
// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "autograd/module/module.h"
#include "nas/space/network_desc.h"
#include "nas/space/recipe.h"

namespace nasengine {

// The module of a kMbconv layer; its parameters go into `slabs` as expand.*, depthwise.*,
// project.*.
std::unique_ptr<Module> MakeMbconvBranch(const LayerDesc& desc, const BatchNormDesc& batch_norm,
                                         WeightInit init, ModuleSlabs slabs);

}  // namespace nasengine
