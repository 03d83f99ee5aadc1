// Pointwise convolution and the linear layer by cuBLASLt, whose plans are kept by shape:
// context.State<CublasLtPlans>(). f32 is multiplied as f32; sums are f32.
// SPDX-License-Identifier: MIT
#pragma once

#include <cublasLt.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "kernels/conv/matmul_shape.h"
#include "kernels/core/activation.h"
#include "kernels/core/context.h"
#include "kernels/core/kernel_registry.h"
#include "kernels/core/tensor.h"

namespace nasengine::cuda {

// The arguments of any of the operators, as (rows, c_in), (c_out, c_in) and (rows, c_out). Of x, w
// and y the one that `op` says is the gradient or the result that is written.
struct ProductCall {
  MatmulOperator op;
  std::int64_t rows;
  std::int64_t c_in;
  std::int64_t c_out;
  ConstView x;
  ConstView w;
  ConstView y;
  ConstView bias{};
  Activation activation = Activation::kNone;
  bool accumulate = false;
};

std::string CublasLtDeclines(Context& context, const ProductCall& call);
std::size_t CublasLtWorkspace(Context& context, const ProductCall& call);
void RunCublasLt(Context& context, const ProductCall& call);

// Registers a kernel named "cublaslt" whose arguments are `call`'s; `run` computes, by RunCublasLt
// and what is left to do.
template <class Op>
void RegisterCublasLt(KernelRegistry& registry, ProductCall (*call)(const typename Op::Args&),
                      void (*run)(Context&, const typename Op::Args&)) {
  using Args = typename Op::Args;
  KernelEntry<Op> entry;
  entry.impl = Impl::kVendor;
  entry.name = "cublaslt";
  entry.device = DeviceType::kCuda;
  entry.declines = [call](Context& context, const Args& args) {
    return CublasLtDeclines(context, call(args));
  };
  entry.workspace_bytes = [call](Context& context, const Args& args) {
    return CublasLtWorkspace(context, call(args));
  };
  entry.run = run;
  registry.Register(std::move(entry));
}

// What cuBLASLt does with a result before it stores it.
struct MatmulEpilogue {
  bool bias = false;  // f32, an element a row of the result
  bool relu = false;
};

struct MatmulPointers {
  const void* a;
  const void* b;
  const void* bias;
  void* result;
};

// One product on one device: a description and the algorithm chosen for it.
class PreparedMatmul {
 public:
  PreparedMatmul(Context& context, const MatmulShape& shape, const MatmulEpilogue& epilogue,
                 const MatmulPointers& pointers);

  // Why there is no algorithm; empty where there is one.
  const std::string& declined() const { return declined_; }
  std::size_t workspace_bytes() const { return algorithm_.workspaceSize; }

  // result = product, or += product.
  void Run(Context& context, const MatmulPointers& pointers, bool accumulate, void* workspace);

 private:
  cublasStatus_t Submit(Context& context, const MatmulPointers& pointers, float beta,
                        const cublasLtMatmulHeuristicResult_t& algorithm, void* workspace);
  void ChooseAlgorithm(Context& context, const MatmulShape& shape, const MatmulPointers& pointers);

  MatmulEpilogue epilogue_;
  cublasLtMatmulDescOpaque_t operation_{};
  cublasLtMatrixLayoutOpaque_t a_{};
  cublasLtMatrixLayoutOpaque_t b_{};
  cublasLtMatrixLayoutOpaque_t result_{};
  cublasLtMatmulHeuristicResult_t algorithm_{};
  std::string declined_;
};

class CublasLtPlans {
 public:
  PreparedMatmul& Get(Context& context, const MatmulShape& shape, const MatmulEpilogue& epilogue,
                      const MatmulPointers& pointers);

 private:
  using Numbers = std::array<std::int64_t, 16>;
  std::map<Numbers, std::unique_ptr<PreparedMatmul>> prepared_;
};

}  // namespace nasengine::cuda
