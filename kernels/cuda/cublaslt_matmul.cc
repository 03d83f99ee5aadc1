// SPDX-License-Identifier: MIT
#include "kernels/cuda/cublaslt_matmul.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "kernels/core/error.h"
#include "kernels/cuda/cublaslt_check.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/cuda_vendor_handles.h"
#include "kernels/cuda/vendor_steps.h"
#include "kernels/cuda/workspace_pieces.h"

namespace nasengine::cuda {
namespace {

constexpr std::size_t kWorkspaceLimit = std::size_t{32} << 20;
constexpr int kMostAlgorithms = 64;
constexpr std::int64_t kWideAlignment = 16;

cudaDataType_t CudaType(DType dtype) { return dtype == DType::kBf16 ? CUDA_R_16BF : CUDA_R_32F; }

template <class T>
void Set(cublasLtMatmulDescOpaque_t& operation, cublasLtMatmulDescAttributes_t name,
         const T& value) {
  NAS_CUBLAS_CHECK(cublasLtMatmulDescSetAttribute(&operation, name, &value, sizeof(value)));
}
template <class T>
void Set(cublasLtMatmulPreferenceOpaque_t& preference, cublasLtMatmulPreferenceAttributes_t name,
         const T& value) {
  NAS_CUBLAS_CHECK(cublasLtMatmulPreferenceSetAttribute(&preference, name, &value, sizeof(value)));
}

// A matrix of these rows and columns once it is transposed as `transpose` says.
cublasLtMatrixLayoutOpaque_t Layout(DType dtype, bool transpose, std::int64_t rows,
                                    std::int64_t columns, std::int64_t leading) {
  if (transpose) std::swap(rows, columns);
  cublasLtMatrixLayoutOpaque_t layout{};
  NAS_CUBLAS_CHECK(cublasLtMatrixLayoutInit(&layout, CudaType(dtype),
                                            static_cast<std::uint64_t>(rows),
                                            static_cast<std::uint64_t>(columns), leading));
  return layout;
}

std::int64_t Alignment(const MatmulShape& shape, const MatmulPointers& pointers, char matrix) {
  if (matrix == 'a') return ColumnAlignment(pointers.a, shape.lda, shape.operands);
  if (matrix == 'b') return ColumnAlignment(pointers.b, shape.ldb, shape.operands);
  return ColumnAlignment(pointers.result, shape.ldc, shape.result);
}

cublasLtMatmulPreferenceOpaque_t Preference(const MatmulShape& shape,
                                            const MatmulPointers& pointers) {
  cublasLtMatmulPreferenceOpaque_t preference{};
  NAS_CUBLAS_CHECK(cublasLtMatmulPreferenceInit(&preference));
  Set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceLimit);
  // Partial sums of a product split along k stay f32, and are added up in one order.
  Set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  const auto align = [&](cublasLtMatmulPreferenceAttributes_t name, char matrix) {
    Set(preference, name, static_cast<std::uint32_t>(Alignment(shape, pointers, matrix)));
  };
  align(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, 'a');
  align(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, 'b');
  align(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, 'c');
  align(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, 'c');
  return preference;
}

cublasLtEpilogue_t EpilogueOf(const MatmulEpilogue& epilogue) {
  if (epilogue.bias) return epilogue.relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
  return epilogue.relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT;
}

std::size_t MatrixBytes(std::int64_t columns, std::int64_t leading, DType dtype) {
  constexpr std::int64_t kAlignment = 256;
  const std::int64_t bytes = columns * leading * SizeOf(dtype);
  return static_cast<std::size_t>((bytes + kAlignment - 1) / kAlignment * kAlignment);
}

View Writable(ConstView view) { return {const_cast<void*>(view.data), view.shape, view.dtype}; }

ConstView ResultOf(const ProductCall& call) {
  switch (call.op) {
    case MatmulOperator::kBackwardData:
      return call.x;
    case MatmulOperator::kBackwardWeights:
      return call.w;
    case MatmulOperator::kForward:
      break;
  }
  return call.y;
}

bool IsEmpty(const ProductCall& call) { return call.rows == 0; }

// How a call is computed.
struct Steps {
  PreparedMatmul* plan = nullptr;
  MatmulPointers pointers{};
  // Where the product goes first, if not to the result itself.
  std::optional<std::size_t> piece;
  DType product = DType::kF32;
  // What cuBLASLt leaves to do.
  bool bias_left = false;
  Activation activation_left = Activation::kNone;
  std::size_t scratch = 0;
  WorkspacePieces pieces;

  bool finishes() const {
    return piece.has_value() || bias_left || activation_left != Activation::kNone;
  }
};

Steps StepsOf(Context& context, const ProductCall& call) {
  Steps steps;
  const ConstView result = ResultOf(call);
  const DType operands = call.op == MatmulOperator::kBackwardData ? call.y.dtype : call.x.dtype;
  // A bias added to what was rounded to bf16 would round twice.
  const bool rounds_last = !call.bias.empty() && result.dtype == DType::kBf16;
  steps.product = rounds_last ? DType::kF32 : result.dtype;
  if (rounds_last) {
    steps.piece = steps.pieces.Add(result.elements() * SizeOf(steps.product));
  }
  const MatmulShape shape =
      ShapeOfMatmul(call.op, call.rows, call.c_in, call.c_out, operands, steps.product);
  steps.pointers = {
      .a = call.op == MatmulOperator::kBackwardWeights ? call.x.data : call.w.data,
      .b = call.op == MatmulOperator::kForward ? call.x.data : call.y.data,
      .bias = call.bias.data,
      // Pieces are aligned as well as may be: null stands for them until they are there.
      .result = steps.piece ? nullptr : const_cast<void*>(result.data)};
  auto& plans = context.State<CublasLtPlans>();
  // Its bias has to be aligned as everything else that it reads in vectors.
  const bool bias_fits = ColumnAlignment(call.bias.data, 0, DType::kF32) == kWideAlignment;
  MatmulEpilogue epilogue{
      .bias = !call.bias.empty() && bias_fits,
      .relu = call.activation == Activation::kRelu && (call.bias.empty() || bias_fits)};
  steps.plan = &plans.Get(context, shape, epilogue, steps.pointers);
  if (!steps.plan->declined().empty() && (epilogue.bias || epilogue.relu)) {
    epilogue = {};
    steps.plan = &plans.Get(context, shape, epilogue, steps.pointers);
  }
  steps.bias_left = !call.bias.empty() && !epilogue.bias;
  if (!epilogue.relu) steps.activation_left = call.activation;
  steps.scratch = steps.pieces.Add(static_cast<std::int64_t>(steps.plan->workspace_bytes()));
  return steps;
}

}  // namespace

PreparedMatmul::PreparedMatmul(Context& context, const MatmulShape& shape,
                               const MatmulEpilogue& epilogue, const MatmulPointers& pointers)
    : epilogue_(epilogue),
      a_(Layout(shape.operands, shape.transpose_a, shape.m, shape.k, shape.lda)),
      b_(Layout(shape.operands, shape.transpose_b, shape.k, shape.n, shape.ldb)),
      result_(Layout(shape.result, false, shape.m, shape.n, shape.ldc)) {
  NAS_CUBLAS_CHECK(cublasLtMatmulDescInit(&operation_, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  Set(operation_, CUBLASLT_MATMUL_DESC_TRANSA, shape.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
  Set(operation_, CUBLASLT_MATMUL_DESC_TRANSB, shape.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
  Set(operation_, CUBLASLT_MATMUL_DESC_EPILOGUE, EpilogueOf(epilogue));
  if (epilogue.bias) {
    Set(operation_, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, std::int32_t{CUDA_R_32F});
    Set(operation_, CUBLASLT_MATMUL_DESC_BIAS_POINTER, pointers.bias);
  }
  ChooseAlgorithm(context, shape, pointers);
}

// The library's favourite, or the fastest of several (VendorHandles::timed_plans).
void PreparedMatmul::ChooseAlgorithm(Context& context, const MatmulShape& shape,
                                     const MatmulPointers& pointers) {
  auto& handles = context.State<VendorHandles>();
  cublasLtMatmulPreferenceOpaque_t preference = Preference(shape, pointers);
  // nvcc 13.0 does not survive a vector of these.
  std::array<cublasLtMatmulHeuristicResult_t, kMostAlgorithms> found{};
  int count = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      handles.CublasLt(), &operation_, &a_, &b_, &result_, &result_, &preference,
      std::min(handles.timed_plans(), kMostAlgorithms), found.data(), &count);
  if (status != CUBLAS_STATUS_SUCCESS || count == 0) {
    declined_ = StrCat("cuBLASLt has no algorithm for ", shape.m, "x", shape.n, "x", shape.k, ": ",
                       cublasLtGetStatusName(status));
    return;
  }
  count = static_cast<int>(std::stable_partition(found.begin(), found.begin() + count,
                                                 [](const cublasLtMatmulHeuristicResult_t& result) {
                                                   return result.state == CUBLAS_STATUS_SUCCESS;
                                                 }) -
                           found.begin());
  if (count == 0) {
    declined_ =
        StrCat("cuBLASLt has no algorithm that works for ", shape.m, "x", shape.n, "x", shape.k);
    return;
  }
  algorithm_ = found.front();
  if (count == 1) return;
  std::size_t workspace = 0;
  for (int i = 0; i < count; ++i) {
    workspace = std::max(workspace, found[static_cast<std::size_t>(i)].workspaceSize);
  }
  const std::size_t a =
      MatrixBytes(shape.transpose_a ? shape.m : shape.k, shape.lda, shape.operands);
  const std::size_t b =
      MatrixBytes(shape.transpose_b ? shape.k : shape.n, shape.ldb, shape.operands);
  const std::size_t result = MatrixBytes(shape.n, shape.ldc, shape.result);
  const std::size_t bias = MatrixBytes(shape.m, 1, DType::kF32);
  const TimingMemory memory(context, a + b + result + bias + workspace);
  if (memory.data() == nullptr) return;
  auto* base = static_cast<std::byte*>(memory.data());
  const MatmulPointers trial{
      .a = base, .b = base + a, .bias = base + a + b + result, .result = base + a + b};
  const int fastest = Fastest(context, count, [&](int i) {
    NAS_CUBLAS_CHECK(Submit(context, trial, 0, found[static_cast<std::size_t>(i)],
                            base + a + b + result + bias));
  });
  algorithm_ = found[static_cast<std::size_t>(fastest)];
}

cublasStatus_t PreparedMatmul::Submit(Context& context, const MatmulPointers& pointers, float beta,
                                      const cublasLtMatmulHeuristicResult_t& algorithm,
                                      void* workspace) {
  if (epilogue_.bias) Set(operation_, CUBLASLT_MATMUL_DESC_BIAS_POINTER, pointers.bias);
  constexpr float kAlpha = 1;
  return cublasLtMatmul(context.State<VendorHandles>().CublasLt(), &operation_, &kAlpha, pointers.a,
                        &a_, pointers.b, &b_, &beta, pointers.result, &result_, pointers.result,
                        &result_, &algorithm.algo, workspace, algorithm.workspaceSize,
                        StreamOf(context));
}

void PreparedMatmul::Run(Context& context, const MatmulPointers& pointers, bool accumulate,
                         void* workspace) {
  if (!declined_.empty()) Throw(ErrorCode::kUnsupported, declined_);
  NAS_CUBLAS_CHECK(Submit(context, pointers, accumulate ? 1.0f : 0.0f, algorithm_, workspace));
}

PreparedMatmul& CublasLtPlans::Get(Context& context, const MatmulShape& shape,
                                   const MatmulEpilogue& epilogue, const MatmulPointers& pointers) {
  const Numbers numbers = {shape.transpose_a,
                           shape.transpose_b,
                           shape.m,
                           shape.n,
                           shape.k,
                           shape.lda,
                           shape.ldb,
                           shape.ldc,
                           static_cast<std::int64_t>(shape.operands),
                           static_cast<std::int64_t>(shape.result),
                           epilogue.bias,
                           epilogue.relu,
                           Alignment(shape, pointers, 'a'),
                           Alignment(shape, pointers, 'b'),
                           Alignment(shape, pointers, 'c')};
  std::unique_ptr<PreparedMatmul>& slot = prepared_[numbers];
  if (slot == nullptr) slot = std::make_unique<PreparedMatmul>(context, shape, epilogue, pointers);
  return *slot;
}

std::string CublasLtDeclines(Context& context, const ProductCall& call) {
  for (const ConstView& view : {call.x, call.w, call.y}) {
    if (view.dtype == DType::kF64) return "f64 is for the reference";
    if (view.dtype != DType::kF32 && view.dtype != DType::kBf16) {
      return StrCat("cuBLASLt: type is ", Name(view.dtype), ", expected f32 or bf16");
    }
  }
  if (call.c_in < 1 || call.c_out < 1) return "cuBLASLt: there are no channels";
  if (IsEmpty(call)) return "";
  return StepsOf(context, call).plan->declined();
}

std::size_t CublasLtWorkspace(Context& context, const ProductCall& call) {
  return IsEmpty(call) ? 0 : StepsOf(context, call).pieces.total_bytes();
}

void RunCublasLt(Context& context, const ProductCall& call) {
  const ConstView result = ResultOf(call);
  if (IsEmpty(call)) {
    if (call.op == MatmulOperator::kBackwardWeights && !call.accumulate) {
      NAS_CUDA_CHECK(cudaMemsetAsync(const_cast<void*>(result.data), 0,
                                     static_cast<std::size_t>(result.bytes()), StreamOf(context)));
    }
    return;
  }
  Steps steps = StepsOf(context, call);
  std::byte* workspace = steps.pieces.Take(context);
  ConstView product = result;
  if (steps.piece) {
    product = {workspace + *steps.piece, result.shape, steps.product};
    steps.pointers.result = workspace + *steps.piece;
  }
  steps.plan->Run(context, steps.pointers, call.accumulate,
                  workspace == nullptr ? nullptr : workspace + steps.scratch);
  if (steps.finishes()) {
    AddBiasAndActivate(context, product, steps.bias_left ? call.bias : ConstView{},
                       steps.activation_left, Writable(result));
  }
}

}  // namespace nasengine::cuda
