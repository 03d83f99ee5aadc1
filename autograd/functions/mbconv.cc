// The inverted bottleneck as one differentiable function: between forward and backward it keeps
// what its three convolutions give and nothing that follows from it; less by choice, which costs
// the arithmetic again.
// SPDX-License-Identifier: MIT
#include "kernels/conv/mbconv.h"

#include "autograd/functions/record.h"
#include "kernels/norm/batch_norm_inner_product.h"

namespace nasengine {
namespace {

// Of one batch norm, for backward.
struct Statistics {
  Tensor mean;
  Tensor inv_std;
};

// What the forward pass computes for backward. Undefined: not computed, or not kept.
struct Computed {
  Tensor e1;
  Tensor e2;
  Tensor o;
  Statistics expand;
  Statistics depthwise;
  Statistics project;
};

// The function without its tensors: what both passes share.
class Block {
 public:
  Block(const MbconvGeometry& geometry, const ConvNorm* expand, const ConvNorm& depthwise,
        const ConvNorm& project, const MbconvOptions& options)
      : geometry_(geometry),
        expands_(expand != nullptr),
        expand_(expand != nullptr ? *expand : ConvNorm()),
        depthwise_(depthwise),
        project_(project),
        options_(options) {}

  const MbconvGeometry& geometry() const { return geometry_; }
  const MbconvOptions& options() const { return options_; }
  bool expands() const { return expands_; }

  // Statistics of all batch norms, to be filled by Forward.
  Computed Prepare(Context& context) const {
    Computed computed;
    if (expands_) computed.expand = StatisticsLike(context, expand_);
    computed.depthwise = StatisticsLike(context, depthwise_);
    computed.project = StatisticsLike(context, project_);
    return computed;
  }
  void AddExpanded(Context& context, const Tensor& x, Computed& computed) const {
    if (expands_) computed.e1 = EmptyLike(context, x, geometry_.E1Shape());
  }
  void AddRest(Context& context, const Tensor& x, Computed& computed) const {
    computed.e2 = EmptyLike(context, x, geometry_.E2Shape());
    computed.o = EmptyLike(context, x, geometry_.OutputShape());
  }

  // Fills whatever of `to` is defined, and y unless it is empty.
  void Forward(Context& context, const Tensor& x, const Computed& to, View y, bool moves) const {
    Dispatch<MbconvForward>(context,
                            {.geometry = geometry_,
                             .norm = Norm(),
                             .x = x,
                             .expand = StageOf(expands_, expand_, x.dtype()),
                             .depthwise = StageOf(true, depthwise_, x.dtype()),
                             .project = StageOf(true, project_, x.dtype()),
                             .e1 = to.e1.view(),
                             .e2 = to.e2.view(),
                             .o = to.o.view(),
                             .y = y,
                             .expand_statistics = ViewsOf(to.expand, expand_, moves),
                             .depthwise_statistics = ViewsOf(to.depthwise, depthwise_, moves),
                             .project_statistics = ViewsOf(to.project, project_, moves)});
  }

  // dx may be undefined. Without `parameter_gradients` x may be.
  void Backward(Context& context, const Tensor& x, const Computed& from, const Tensor& dy,
                const Tensor& dx, bool parameter_gradients) const {
    const Tensor g2 = EmptyLike(context, dy, geometry_.E2Shape());
    Tensor g1;
    if (expands_) {
      g1 = options_.stride == 1 ? g2 : EmptyLike(context, dy, geometry_.E1Shape());
    }
    MbconvBackward::Args args{
        .geometry = geometry_,
        .norm = Norm(),
        .x = x.view(),
        .e1 = from.e1.view(),
        .e2 = from.e2,
        .o = from.o,
        .dy = dy,
        .expand = StageOf(expands_, expand_, dy.dtype()),
        .depthwise = StageOf(true, depthwise_, dy.dtype()),
        .project = StageOf(true, project_, dy.dtype()),
        .expand_statistics = {from.expand.mean.view(), from.expand.inv_std.view()},
        .depthwise_statistics = {from.depthwise.mean, from.depthwise.inv_std},
        .project_statistics = {from.project.mean, from.project.inv_std},
        .g1 = g1.view(),
        .g2 = g2,
        .dx = dx.view(),
        .expand_gradient = {},
        .depthwise_gradient = {},
        .project_gradient = {}};
    if (parameter_gradients) {
      args.accumulate = TakeGradients(context, project_, args.project_gradient);
      bool same = args.accumulate == TakeGradients(context, depthwise_, args.depthwise_gradient);
      if (expands_) {
        same &= args.accumulate == TakeGradients(context, expand_, args.expand_gradient);
      }
      NAS_CHECK(same, "mbconv: its parameters are not used together");
    }
    Dispatch<MbconvBackward>(context, args);
  }

 private:
  MbconvNorm Norm() const {
    return {options_.norm.epsilon, options_.norm.momentum, options_.norm.activation};
  }
  static MbconvStage StageOf(bool exists, const ConvNorm& part, DType dtype) {
    if (!exists) return {};
    return {part.w.value(dtype), part.gamma.value(), part.beta.value()};
  }
  static Statistics StatisticsLike(Context& context, const ConvNorm& part) {
    return {EmptyLike(context, part.running_mean, part.running_mean.shape()),
            EmptyLike(context, part.running_mean, part.running_mean.shape())};
  }
  static MbconvForward::Statistics ViewsOf(const Statistics& statistics, const ConvNorm& part,
                                           bool moves) {
    return {statistics.mean.view(), statistics.inv_std.view(),
            moves ? part.running_mean.view() : View{}, moves ? part.running_var.view() : View{}};
  }

  // Where the gradients of `part` go, and whether they are added to what is there.
  static bool TakeGradients(Context& context, const ConvNorm& part,
                            MbconvBackward::StageGradient& gradient) {
    const auto take = [&](const Parameter& parameter) {
      return parameter.slab->Gradient(context, parameter.index);
    };
    const ParameterSlab::GradientTarget dw = take(part.w);
    const ParameterSlab::GradientTarget dgamma = take(part.gamma);
    const ParameterSlab::GradientTarget dbeta = take(part.beta);
    NAS_CHECK(dw.accumulate == dgamma.accumulate && dw.accumulate == dbeta.accumulate,
              "mbconv: a convolution and its batch norm are not used together");
    gradient = {dw.view, dgamma.view, dbeta.view};
    return dw.accumulate;
  }

  MbconvGeometry geometry_;
  bool expands_;
  ConvNorm expand_;
  ConvNorm depthwise_;
  ConvNorm project_;
  MbconvOptions options_;
};

// Tensors of a node in the order in which it saves them.
enum Saved : std::size_t { kX, kE1, kE2, kO, kStatistics };

std::vector<Tensor> Save(const Tensor& x, const Computed& c) {
  return {x,
          c.e1,
          c.e2,
          c.o,
          c.expand.mean,
          c.expand.inv_std,
          c.depthwise.mean,
          c.depthwise.inv_std,
          c.project.mean,
          c.project.inv_std};
}

Computed Restore(std::span<Tensor> saved) {
  const auto statistics = [&](std::size_t i) {
    return Statistics{saved[kStatistics + i], saved[kStatistics + i + 1]};
  };
  return {.e1 = saved[kE1],
          .e2 = saved[kE2],
          .o = saved[kO],
          .expand = statistics(0),
          .depthwise = statistics(2),
          .project = statistics(4)};
}

struct MbconvNode {
  Block block;
  bool parameter_gradients;
  std::shared_ptr<GradientSlot> out;
  std::shared_ptr<GradientSlot> in;

  void operator()(Context& context, std::span<Tensor> saved) const {
    Tensor dy = out->Take();
    if (!dy.defined()) return;
    const Tensor x = saved[kX];
    Computed computed = Restore(saved);
    ComputeAgain(context, x, computed);
    Tensor dx;
    if (in != nullptr) dx = EmptyLike(context, dy, block.geometry().InputShape());
    block.Backward(context, x, computed, dy, dx, parameter_gradients);
    dy.Reset();
    if (in != nullptr) in->Accumulate(context, std::move(dx));
  }

  // What the forward pass did not keep.
  void ComputeAgain(Context& context, const Tensor& x, Computed& computed) const {
    const Recompute what = block.options().recompute;
    if (what == Recompute::kNothing || (what == Recompute::kExpand && !block.expands())) return;
    block.AddExpanded(context, x, computed);
    if (what == Recompute::kAll) block.AddRest(context, x, computed);
    Computed missing = computed;
    if (what == Recompute::kExpand) {
      missing.e2.Reset();
      missing.o.Reset();
    }
    block.Forward(context, x, missing, View{}, false);
  }
};

void CheckArguments(const Variable& x, const ConvNorm* expand, const ConvNorm& depthwise,
                    const ConvNorm& project, const MbconvOptions& options) {
  internal::CheckImage("mbconv", x);
  NAS_CHECK(options.norm.mode != NormMode::kRunning,
            "mbconv: running statistics; they are not differentiable");
  const std::int64_t c = x.shape().back();
  const Shape taps = depthwise.w.value().shape();
  NAS_CHECK(taps.rank() == 3, "mbconv: depthwise weights are ", ToString(taps),
            ", expected (k, k, c)");
  const auto check = [&](const char* what, const ConvNorm& part, const Shape& expected) {
    const Shape found = part.w.value().shape();
    NAS_CHECK(found == expected, "mbconv: x is ", ToString(x.shape()), ", which wants ", what,
              " weights of ", ToString(expected), ", found ", ToString(found));
  };
  const std::int64_t expanded = taps[2];
  if (expand != nullptr) check("expand", *expand, {expanded, c});
  check("depthwise", depthwise, {options.kernel, options.kernel, expand != nullptr ? expanded : c});
  check("project", project, {project.w.value().shape()[0], expanded});
}

Block BlockFor(const Shape& image, const ConvNorm* expand, const ConvNorm& depthwise,
               const ConvNorm& project, const MbconvOptions& options) {
  return {{.n = image[0],
           .h = image[1],
           .w = image[2],
           .c_in = image[3],
           .expanded = depthwise.w.value().shape()[2],
           .c_out = project.w.value().shape()[0],
           .kernel = options.kernel,
           .stride = options.stride},
          expand,
          depthwise,
          project,
          options};
}

}  // namespace

Variable Mbconv(Tape& tape, const Variable& x, const ConvNorm* expand, const ConvNorm& depthwise,
                const ConvNorm& project, const MbconvOptions& options) {
  CheckArguments(x, expand, depthwise, project, options);
  Context& context = tape.context();
  const Block block = BlockFor(x.shape(), expand, depthwise, project, options);
  Computed computed = block.Prepare(context);
  block.AddExpanded(context, x.value(), computed);
  block.AddRest(context, x.value(), computed);
  Tensor y = EmptyLike(context, x.value(), block.geometry().OutputShape());
  block.Forward(context, x.value(), computed, y, options.norm.mode == NormMode::kBatch);
  if (!internal::Records(tape, x, true)) return Variable(std::move(y));
  Variable out = tape.Output(std::move(y));
  const bool reads_x = tape.parameter_gradients() || options.recompute != Recompute::kNothing;
  if (options.recompute != Recompute::kNothing) computed.e1.Reset();
  if (options.recompute == Recompute::kAll) {
    computed.e2.Reset();
    computed.o.Reset();
  }
  tape.Record({.name = "mbconv",
               .saved = Save(reads_x ? x.value() : Tensor(), computed),
               .backward = MbconvNode{block, tape.parameter_gradients(), out.slot(), x.slot()}});
  return out;
}

double MbconvInnerProduct(Context& context, const Tensor& x, const Tensor& dy,
                          const ConvNorm* expand, const ConvNorm& depthwise,
                          const ConvNorm& project, const MbconvOptions& options) {
  CheckArguments(Variable(x), expand, depthwise, project, options);
  const Block block = BlockFor(x.shape(), expand, depthwise, project, options);
  Computed computed = block.Prepare(context);
  block.AddExpanded(context, x, computed);
  block.AddRest(context, x, computed);
  block.Forward(context, x, computed, View{}, false);
  computed.e1.Reset();
  computed.e2.Reset();
  const Tensor result = context.Empty({1}, DType::kF32, MemoryCategory::kActivations);
  Dispatch<BatchNormInnerProduct>(context, {.x = computed.o,
                                            .dy = dy,
                                            .gamma = project.gamma.value(),
                                            .beta = project.beta.value(),
                                            .mean = computed.project.mean,
                                            .inv_std = computed.project.inv_std,
                                            .result = result});
  return internal::ScalarOf(context, result);
}

}  // namespace nasengine
