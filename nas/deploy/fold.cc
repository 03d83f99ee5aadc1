// Folding batch norms and listing a network's operators.
// SPDX-License-Identifier: MIT
#include "nas/deploy/fold.h"

#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace nasengine {
namespace {

using Numbers = std::vector<float>;

class Folder {
 public:
  Folder(Context& context, const BatchNormDesc& batch_norm, const Size3& image)
      : context_(context), epsilon_(batch_norm.epsilon) {
    AddValue(image);
  }

  // Appends the operators of `layer` reading value `x`; returns the value they result in.
  int AddLayer(const BuiltLayer& layer, int x) {
    const LayerDesc& desc = layer.desc();
    switch (desc.op) {
      case LayerOp::kConv:
        return AddConvBn(layer, "", x, desc.out, desc);
      case LayerOp::kMbconv:
        return AddMbconv(layer, x);
      case LayerOp::kClassifier:
        return AddClassifier(layer, x);
      case LayerOp::kZero:
        break;
    }
    Throw(ErrorCode::kInvalidArgument, "fold: layer '", desc.name, "' is a ", Name(desc.op),
          ", which is no computation");
  }

  FoldedGraph Take() {
    AssignBuffers(graph_);
    return std::move(graph_);
  }

 private:
  // A parameter or running statistic of a layer, on the host.
  struct Source {
    Shape shape;
    Numbers numbers;
  };

  Source Read(const BuiltLayer& layer, const ParameterSlab& slab, const std::string& name) const {
    for (std::size_t i = 0; i < slab.specs().size(); ++i) {
      if (slab.specs()[i].name != name) continue;
      const Tensor value = slab.value(static_cast<int>(i));
      Source source{value.shape(), Numbers(static_cast<std::size_t>(value.elements()))};
      context_.backend().CopyToHost(source.numbers.data(), value.data(),
                                    static_cast<std::size_t>(value.bytes()));
      return source;
    }
    Throw(ErrorCode::kInvalidArgument, "fold: layer '", layer.desc().name, "' has no ", name);
  }

  Tensor Store(const Shape& shape, const Numbers& numbers) const {
    Tensor tensor = context_.Empty(shape, DType::kF32, MemoryCategory::kWeights);
    context_.backend().CopyFromHost(tensor.data(), numbers.data(),
                                    static_cast<std::size_t>(tensor.bytes()));
    return tensor;
  }

  int AddValue(const Size3& size) {
    graph_.values.push_back({size});
    return static_cast<int>(graph_.values.size()) - 1;
  }

  int AddOp(FoldedOp op, const Size3& size) {
    const int y = AddValue(size);
    op.y = y;
    graph_.ops.push_back(std::move(op));
    return y;
  }

  // The convolution whose parameters are called `stage`weight and so on, with the kernel, stride
  // and activation of `like`.
  int AddConvBn(const BuiltLayer& layer, const std::string& stage, int x, const Size3& out,
                const LayerDesc& like) {
    Source weight = Read(layer, layer.parameters(), stage + "weight");
    const Numbers bias = FoldBatchNorm(layer, stage, weight);
    const int rank = weight.shape.rank();
    FoldedOp op;
    op.kind = rank == 2   ? FoldedOpKind::kPointwise
              : rank == 3 ? FoldedOpKind::kDepthwise
                          : FoldedOpKind::kConv;
    op.name = StrCat(layer.desc().name, stage.empty() ? "" : "/", stage.substr(0, stage.find('.')));
    op.x = x;
    op.kernel = like.kernel;
    op.stride = like.stride;
    op.activation = like.activation;
    op.weight = Store(weight.shape, weight.numbers);
    op.bias = Store(Shape{static_cast<std::int64_t>(bias.size())}, bias);
    return AddOp(std::move(op), out);
  }

  // Scales the weight in place; returns the bias.
  Numbers FoldBatchNorm(const BuiltLayer& layer, const std::string& stage, Source& weight) const {
    const Numbers gamma = Read(layer, layer.parameters(), stage + "gamma").numbers;
    const Numbers beta = Read(layer, layer.parameters(), stage + "beta").numbers;
    const Numbers mean = Read(layer, layer.buffers(), stage + "running_mean").numbers;
    const Numbers variance = Read(layer, layer.buffers(), stage + "running_var").numbers;
    const std::size_t channels = gamma.size();
    Numbers bias(channels);
    std::vector<double> scale(channels);
    for (std::size_t c = 0; c < channels; ++c) {
      NAS_CHECK(variance[c] >= 0, "fold: layer '", layer.desc().name, "': ", stage, "running_var[",
                c, "]: found ", variance[c], ", expected 0 or more");
      scale[c] = gamma[c] / std::sqrt(variance[c] + epsilon_);
      bias[c] = static_cast<float>(beta[c] - mean[c] * scale[c]);
      NAS_CHECK(std::isfinite(bias[c]) && std::isfinite(scale[c]), "fold: layer '",
                layer.desc().name, "': ", stage, "channel ", c, ": found scale ", scale[c],
                " and bias ", bias[c], ", expected finite numbers");
    }
    // Output channels are the last axis of a depthwise weight and the first of any other.
    const std::size_t elements = weight.numbers.size();
    const bool channels_last = weight.shape.rank() == 3;
    const std::size_t per_channel = elements / channels;
    for (std::size_t i = 0; i < elements; ++i) {
      const double s = scale[channels_last ? i % channels : i / per_channel];
      weight.numbers[i] = static_cast<float>(weight.numbers[i] * s);
      NAS_CHECK(std::isfinite(weight.numbers[i]), "fold: layer '", layer.desc().name, "': ", stage,
                "weight element ", i, ": found ", weight.numbers[i], ", expected a finite number");
    }
    return bias;
  }

  int AddMbconv(const BuiltLayer& layer, int x) {
    const LayerDesc& desc = layer.desc();
    const int64_t middle = ExpandedChannels(desc);
    const LayerDesc pointwise;
    LayerDesc expand;
    expand.activation = desc.activation;
    const std::size_t first = graph_.ops.size();
    int y = x;
    if (desc.expand != 1) {
      y = AddConvBn(layer, "expand.", y, {desc.in.h, desc.in.w, middle}, expand);
    }
    y = AddConvBn(layer, "depthwise.", y, {desc.out.h, desc.out.w, middle}, desc);
    y = AddConvBn(layer, "project.", y, desc.out, pointwise);
    if (HasResidual(desc)) {
      FoldedOp add;
      add.kind = FoldedOpKind::kAdd;
      add.name = desc.name + "/add";
      add.x = y;
      add.addend = x;
      y = AddOp(std::move(add), desc.out);
    }
    for (std::size_t i = first; i < graph_.ops.size(); ++i) graph_.ops[i].block = blocks_;
    ++blocks_;
    return y;
  }

  int AddClassifier(const BuiltLayer& layer, int x) {
    const LayerDesc& desc = layer.desc();
    FoldedOp pool;
    pool.kind = FoldedOpKind::kGlobalAvgPool;
    pool.name = desc.name + "/pool";
    pool.x = x;
    const Source weight = Read(layer, layer.parameters(), "weight");
    const Source bias = Read(layer, layer.parameters(), "bias");
    FoldedOp linear;
    linear.kind = FoldedOpKind::kLinear;
    linear.name = desc.name + "/linear";
    linear.x = AddOp(std::move(pool), {1, 1, desc.in.c});
    linear.weight = Store(weight.shape, weight.numbers);
    linear.bias = Store(bias.shape, bias.numbers);
    return AddOp(std::move(linear), desc.out);
  }

  Context& context_;
  double epsilon_;
  int blocks_ = 0;
  FoldedGraph graph_;
};

}  // namespace

FoldedGraph Fold(Context& context, const Network& network) {
  const NetworkDesc& desc = network.desc();
  Folder folder(context, desc.batch_norm, desc.input);
  std::map<std::string, int> values{{std::string(kImageInput), 0}};
  for (std::size_t i = 0; i < desc.layers.size(); ++i) {
    const LayerDesc& layer = desc.layers[i];
    const int x = values.at(layer.inputs.front());
    // A skipped block is its input under another name.
    values[layer.name] = layer.op == LayerOp::kZero ? x : folder.AddLayer(*network.layers()[i], x);
  }
  return folder.Take();
}

FoldedGraph FoldLayer(Context& context, const LayerDesc& layer, const BatchNormDesc& batch_norm,
                      std::uint32_t seed) {
  BuiltLayer built(context, layer, batch_norm, layer.name + "/");
  built.Initialize(Rng(seed, RngPurpose::kWeights));
  Folder folder(context, batch_norm, layer.in);
  folder.AddLayer(built, 0);
  return folder.Take();
}

}  // namespace nasengine
