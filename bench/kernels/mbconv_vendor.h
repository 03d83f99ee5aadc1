// One training step of an MBConv block from separate operators, each keeping what the next reads in
// backward: what the fused block replaces.
// SPDX-License-Identifier: MIT
#pragma once

#include "bench/workbench.h"
#include "kernels/conv/mbconv.h"

namespace nasengine {

// The tensors of a block and of its training step, fixed noise; what may be bf16 is `dtype`.
struct MbconvTensors {
  struct Stage {
    Tensor w, gamma, beta, mean, inv_std, dw, dgamma, dbeta;
  };
  MbconvTensors(Workbench& bench, const MbconvGeometry& geometry, DType dtype);

  MbconvForward::Args Forward() const;
  MbconvBackward::Args Backward() const;

  MbconvGeometry geometry;
  Tensor x, e1, e2, o, y, dy, dx, g1, g2;
  Stage expand, depthwise, project;
};

// All of it oneDNN's, its depthwise backward-weights for any kernel included.
class VendorMbconv {
 public:
  // `tensors` must outlive it.
  VendorMbconv(Workbench& bench, const MbconvTensors& tensors);
  // Forward and backward. Throws kUnsupported where oneDNN has no such operator.
  void Run();

 private:
  template <class Op>
  void Run(const typename Op::Args& args);
  void RunForward();
  void RunBackward();

  Context& context_;
  const MbconvTensors& t_;
  Tensor a1_;
  Tensor a2_;
};

}  // namespace nasengine
