// The mobile inverted bottleneck without its residual: expand, depthwise, project.
// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "autograd/module/module.h"
#include "nas/space/network_desc.h"
#include "nas/supernet/weight_start.h"

namespace nasengine {

// The module of a kMbconv layer; its parameters go into `slabs` as expand.*, depthwise.*,
// project.*.
std::unique_ptr<Module> MakeMbconvBranch(const LayerDesc& desc, const BatchNormDesc& batch_norm,
                                         const WeightStart& start, ModuleSlabs slabs);

}  // namespace nasengine
