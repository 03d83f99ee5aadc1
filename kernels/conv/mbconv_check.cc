// SPDX-License-Identifier: MIT
#include "kernels/conv/mbconv_check.h"

#include "kernels/core/bfloat16.h"
#include "kernels/core/float_kernel.h"

namespace nasengine {
namespace {

void CheckGeometry(const char* op, const MbconvGeometry& g, bool expands) {
  NAS_CHECK(g.n >= 0 && g.h >= 1 && g.w >= 1 && g.c_in >= 1, op, ": image is ", g.n, "x", g.h, "x",
            g.w, "x", g.c_in, ", expected a batch of 0 or more and sizes of 1 or more");
  NAS_CHECK(g.expanded >= 1 && g.c_out >= 1, op, ": ", g.expanded, " expanded and ", g.c_out,
            " output channels, expected 1 or more");
  NAS_CHECK(g.kernel >= 1 && g.kernel % 2 == 1 && g.stride >= 1, op, ": kernel ", g.kernel,
            ", stride ", g.stride, ", expected an odd kernel and a stride of at least 1");
  NAS_CHECK(expands || g.expanded == g.c_in, op, ": no expansion, yet ", g.expanded,
            " expanded channels of ", g.c_in);
}

// The weights, of type `dtype`, and the batch norm of one stage.
void CheckStage(const char* op, const char* name, const MbconvStage& stage, const Shape& weights,
                std::int64_t c, DType dtype) {
  const auto label = [&](const char* part) { return StrCat(name, ".", part); };
  CheckView(op, label("w").c_str(), stage.w, weights, dtype);
  CheckView(op, label("gamma").c_str(), stage.gamma, {c}, SumType(dtype));
  CheckView(op, label("beta").c_str(), stage.beta, {c}, SumType(dtype));
}

void CheckStages(const char* op, const MbconvGeometry& g, bool expands, const MbconvStage& expand,
                 const MbconvStage& depthwise, const MbconvStage& project, DType dtype) {
  if (expands) CheckStage(op, "expand", expand, {g.expanded, g.c_in}, g.expanded, dtype);
  CheckStage(op, "depthwise", depthwise, {g.kernel, g.kernel, g.expanded}, g.expanded, dtype);
  CheckStage(op, "project", project, {g.c_out, g.expanded}, g.c_out, dtype);
}

template <class Statistics>
void CheckStatistics(const char* op, const char* name, const Statistics& statistics, std::int64_t c,
                     DType dtype) {
  CheckView(op, StrCat(name, ".mean").c_str(), statistics.mean, {c}, SumType(dtype));
  CheckView(op, StrCat(name, ".inv_std").c_str(), statistics.inv_std, {c}, SumType(dtype));
}

void CheckRunning(const char* op, const char* name, const MbconvForward::Statistics& statistics,
                  std::int64_t c, DType dtype) {
  CheckStatistics(op, name, statistics, c, dtype);
  for (const View& running : {statistics.running_mean, statistics.running_var}) {
    if (!running.empty())
      CheckView(op, StrCat(name, ".running").c_str(), running, {c}, SumType(dtype));
  }
}

// All three of a stage, or none.
void CheckGradient(const char* op, const char* name, const MbconvBackward::StageGradient& gradient,
                   const MbconvStage& stage, bool wanted, std::int64_t c, DType dtype) {
  NAS_CHECK(gradient.dw.empty() != wanted && gradient.dgamma.empty() != wanted &&
                gradient.dbeta.empty() != wanted,
            op, ": ", name, ": some parameter gradients are given and some are not");
  if (!wanted) return;
  CheckView(op, StrCat(name, ".dw").c_str(), gradient.dw, stage.w.shape, SumType(dtype));
  CheckView(op, StrCat(name, ".dgamma").c_str(), gradient.dgamma, {c}, SumType(dtype));
  CheckView(op, StrCat(name, ".dbeta").c_str(), gradient.dbeta, {c}, SumType(dtype));
}

}  // namespace

ConvGeometry MbconvGeometry::expand() const {
  return {.n = n, .h = h, .w = w, .c_in = c_in, .c_out = expanded};
}

ConvGeometry MbconvGeometry::depthwise() const {
  return {.n = n,
          .h = h,
          .w = w,
          .c_in = expanded,
          .c_out = expanded,
          .kernel = kernel,
          .stride = stride,
          .pad = kernel / 2};
}

ConvGeometry MbconvGeometry::project() const {
  const ConvGeometry conv = depthwise();
  return {.n = n, .h = conv.out_h(), .w = conv.out_w(), .c_in = expanded, .c_out = c_out};
}

Shape MbconvGeometry::E2Shape() const {
  const ConvGeometry conv = depthwise();
  return {n, conv.out_h(), conv.out_w(), expanded};
}

Shape MbconvGeometry::OutputShape() const {
  const ConvGeometry conv = depthwise();
  return {n, conv.out_h(), conv.out_w(), c_out};
}

bool OnlyExpands(const MbconvForward::Args& args) { return args.e2.empty() && args.o.empty(); }

void CheckArguments(const MbconvForward::Args& args) {
  const char* op = MbconvForward::kName;
  const MbconvGeometry& g = args.geometry;
  const DType dtype = args.x.dtype;
  const bool expands = !args.expand.w.empty();
  CheckGeometry(op, g, expands);
  CheckStorage(op, "x", args.x);
  CheckView(op, "x", args.x, g.InputShape(), dtype);
  CheckStages(op, g, expands, args.expand, args.depthwise, args.project, dtype);
  if (expands) {
    CheckView(op, "e1", args.e1, g.E1Shape(), dtype);
    CheckRunning(op, "expand", args.expand_statistics, g.expanded, dtype);
  }
  NAS_CHECK(args.norm.epsilon > 0, op, ": epsilon is ", args.norm.epsilon,
            ", expected more than 0");
  if (OnlyExpands(args)) {
    NAS_CHECK(expands && args.y.empty(), op, ": e2 and o are not wanted, yet ",
              expands ? "y is" : "there is no expansion");
    return;
  }
  CheckView(op, "e2", args.e2, g.E2Shape(), dtype);
  CheckView(op, "o", args.o, g.OutputShape(), dtype);
  if (!args.y.empty()) CheckView(op, "y", args.y, g.OutputShape(), dtype);
  CheckRunning(op, "depthwise", args.depthwise_statistics, g.expanded, dtype);
  CheckRunning(op, "project", args.project_statistics, g.c_out, dtype);
  NAS_CHECK(args.norm.epsilon > 0, op, ": epsilon is ", args.norm.epsilon,
            ", expected more than 0");
}

void CheckArguments(const MbconvBackward::Args& args) {
  const char* op = MbconvBackward::kName;
  const MbconvGeometry& g = args.geometry;
  const DType dtype = args.dy.dtype;
  const bool expands = !args.expand.w.empty();
  const bool wanted = !args.project_gradient.dw.empty();
  CheckGeometry(op, g, expands);
  CheckStorage(op, "dy", args.dy);
  if (wanted) CheckView(op, "x", args.x, g.InputShape(), dtype);
  CheckStages(op, g, expands, args.expand, args.depthwise, args.project, dtype);
  if (expands) {
    CheckView(op, "e1", args.e1, g.E1Shape(), dtype);
    CheckView(op, "g1", args.g1, g.E1Shape(), dtype);
    CheckStatistics(op, "expand", args.expand_statistics, g.expanded, dtype);
    CheckGradient(op, "expand", args.expand_gradient, args.expand, wanted, g.expanded, dtype);
  }
  CheckView(op, "e2", args.e2, g.E2Shape(), dtype);
  CheckView(op, "g2", args.g2, g.E2Shape(), dtype);
  CheckView(op, "o", args.o, g.OutputShape(), dtype);
  CheckView(op, "dy", args.dy, g.OutputShape(), dtype);
  CheckStatistics(op, "depthwise", args.depthwise_statistics, g.expanded, dtype);
  CheckStatistics(op, "project", args.project_statistics, g.c_out, dtype);
  CheckGradient(op, "depthwise", args.depthwise_gradient, args.depthwise, wanted, g.expanded,
                dtype);
  CheckGradient(op, "project", args.project_gradient, args.project, wanted, g.c_out, dtype);
  if (!args.dx.empty()) CheckView(op, "dx", args.dx, g.InputShape(), dtype);
  NAS_CHECK(args.g1.data != args.g2.data || args.g1.empty() || g.stride == 1, op,
            ": g1 and g2 are one tensor, stride is ", g.stride);
}

void CheckArguments(const MbconvInference::Args& args) {
  const char* op = MbconvInference::kName;
  const MbconvGeometry& g = args.geometry;
  const bool expands = !args.expand.w.empty();
  CheckGeometry(op, g, expands);
  const auto check = [op](const char* name, ConstView view, const Shape& shape) {
    CheckView(op, name, view, shape, DType::kF32);
  };
  check("x", args.x, g.InputShape());
  if (expands) {
    check("expand.w", args.expand.w, {g.expanded, g.c_in});
    check("expand.bias", args.expand.bias, {g.expanded});
  }
  check("depthwise.w", args.depthwise.w, {g.kernel, g.kernel, g.expanded});
  check("depthwise.bias", args.depthwise.bias, {g.expanded});
  check("project.w", args.project.w, {g.c_out, g.expanded});
  check("project.bias", args.project.bias, {g.c_out});
  check("y", args.y, g.OutputShape());
  NAS_CHECK(!args.residual || g.OutputShape() == g.InputShape(), op, ": residual, yet x is ",
            ToString(g.InputShape()), " and y ", ToString(g.OutputShape()));
  NAS_CHECK(args.y.data != args.x.data || args.y.elements() == 0, op, ": y is x");
}

std::vector<View*> MbconvForward::Outputs(Args& args) {
  std::vector<View*> outputs = {&args.e1, &args.e2, &args.o, &args.y};
  for (Statistics* statistics :
       {&args.expand_statistics, &args.depthwise_statistics, &args.project_statistics}) {
    outputs.insert(outputs.end(), {&statistics->mean, &statistics->inv_std,
                                   &statistics->running_mean, &statistics->running_var});
  }
  return outputs;
}

std::vector<View*> MbconvBackward::Outputs(Args& args) {
  std::vector<View*> outputs = {&args.dx};
  for (StageGradient* gradient :
       {&args.expand_gradient, &args.depthwise_gradient, &args.project_gradient}) {
    outputs.insert(outputs.end(), {&gradient->dw, &gradient->dgamma, &gradient->dbeta});
  }
  return outputs;
}

}  // namespace nasengine
