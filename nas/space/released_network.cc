// SPDX-License-Identifier: MIT
#include "nas/space/released_network.h"

#include <array>
#include <utility>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

constexpr int64_t kImageSide = 224;
constexpr int64_t kMaxChannels = 1 << 20;
constexpr int64_t kMaxExpand = 64;
constexpr std::array<int, 4> kConvKernels{1, 3, 5, 7};
constexpr std::array<int, 3> kDepthwiseKernels{3, 5, 7};
constexpr std::array<int, 2> kStrides{1, 2};
constexpr std::array<int, 1> kOnlyOne{1};

bool IsNull(const SourceValue* value) {
  return value == nullptr || (value->kind == SourceValue::Kind::kOther && value->text == "null");
}

void ExpectText(const TableReader& table, std::string_view key, const std::string& text) {
  const std::string expected = StrCat("'", text, "'");
  const SourceValue& value = table.Require(key, expected);
  if (value.kind != SourceValue::Kind::kString || value.text != text) Refuse(value, expected);
}

void ExpectBool(const TableReader& table, std::string_view key, bool expected) {
  if (table.Bool(key, expected) != expected) {
    Refuse(*table.Find(key), expected ? "true" : "false");
  }
}

void ExpectNull(const TableReader& table, std::string_view key) {
  if (!IsNull(table.Find(key))) Refuse(*table.Find(key), "null");
}

// Channels that follow from the layer before, written once more in the file.
void ExpectChannels(const SourceValue& value, int64_t channels) {
  if (value.kind != SourceValue::Kind::kInteger || value.integer != channels) {
    Refuse(value, StrCat(channels, ", the channels of the layer before"));
  }
}

// The layers so far; every next one continues the last.
class Chain {
 public:
  explicit Chain(NetworkDesc& network) : network_(network) {}

  Size3 out() const {
    return network_.layers.empty() ? network_.input : network_.layers.back().out;
  }

  // The layer says its output channels; name of the input and sizes follow.
  const LayerDesc& Add(LayerDesc layer) {
    layer.inputs = {network_.layers.empty() ? std::string(kImageInput)
                                            : network_.layers.back().name};
    layer.in = out();
    layer.out = layer.op == LayerOp::kClassifier ? Size3{1, 1, layer.out.c}
                                                 : OutputSize(layer.in, layer.stride, layer.out.c);
    return network_.layers.emplace_back(std::move(layer));
  }

 private:
  NetworkDesc& network_;
};

void AddConv(const SourceValue& value, const std::string& name, const std::string& key,
             Chain& chain) {
  const TableReader table(
      value, "a ConvLayer",
      {"name", "kernel_size", "stride", "dilation", "groups", "bias", "has_shuffle", "in_channels",
       "out_channels", "use_bn", "act_func", "dropout_rate", "ops_order"});
  ExpectText(table, "name", "ConvLayer");
  ExpectText(table, "ops_order", "weight_bn_act");
  ExpectText(table, "act_func", "relu6");
  table.IntOf("dilation", kOnlyOne);
  table.IntOf("groups", kOnlyOne);
  table.Real("dropout_rate", 0.0, 0.0, 0.0);
  ExpectBool(table, "bias", false);
  ExpectBool(table, "has_shuffle", false);
  ExpectBool(table, "use_bn", true);
  ExpectChannels(table.Require("in_channels", "a number"), chain.out().c);
  chain.Add({.name = name,
             .op = LayerOp::kConv,
             .out = {.c = table.Int("out_channels", 1, kMaxChannels)},
             .kernel = table.IntOf("kernel_size", kConvKernels),
             .stride = table.IntOf("stride", kStrides),
             .activation = Activation::kRelu6,
             .key_prefix = key});
}

LayerDesc ReadMbconv(const SourceValue& value, const Chain& chain) {
  // act_func, use_se and mid_channels are of later versions of the format.
  const TableReader table(value, "a MBInvertedConvLayer",
                          {"name", "in_channels", "out_channels", "kernel_size", "stride",
                           "expand_ratio", "mid_channels", "act_func", "use_se"});
  LayerDesc layer{.op = LayerOp::kMbconv,
                  .out = {.c = table.Int("out_channels", 1, kMaxChannels)},
                  .kernel = table.IntOf("kernel_size", kDepthwiseKernels),
                  .stride = table.IntOf("stride", kStrides),
                  .expand = static_cast<int>(table.Int("expand_ratio", 1, kMaxExpand)),
                  .activation = Activation::kRelu6};
  if (table.Find("act_func") != nullptr) ExpectText(table, "act_func", "relu6");
  ExpectBool(table, "use_se", false);
  ExpectChannels(table.Require("in_channels", "a number"), chain.out().c);
  const SourceValue* middle = table.Find("mid_channels");
  const int64_t expected = chain.out().c * layer.expand;
  if (!IsNull(middle) && ExpectInt(*middle, 1, kMaxChannels) != expected) {
    Refuse(*middle, StrCat("null or ", expected, ", in_channels times expand_ratio"));
  }
  return layer;
}

// Our blocks add their input exactly where size and channels stay, whatever a file says.
void CheckShortcut(const SourceValue& value, const LayerDesc& layer) {
  if (IsNull(&value)) {
    if (HasResidual(layer)) Refuse(value, "an IdentityLayer where size and channels stay");
    return;
  }
  if (layer.in != layer.out) Refuse(value, "null where size or channels change");
  const TableReader table(
      value, "an IdentityLayer",
      {"name", "in_channels", "out_channels", "use_bn", "act_func", "dropout_rate", "ops_order"});
  ExpectText(table, "name", "IdentityLayer");
  ExpectBool(table, "use_bn", false);
  ExpectNull(table, "act_func");
  table.Real("dropout_rate", 0.0, 0.0, 0.0);
}

LayerDesc ReadOperation(const SourceValue& value, const Chain& chain) {
  const SourceValue* name = value.Find("name");
  if (name != nullptr && name->text == "MBInvertedConvLayer") return ReadMbconv(value, chain);
  if (name == nullptr || name->text != "ZeroLayer") {
    Refuse(name == nullptr ? value : *name, "'MBInvertedConvLayer' or 'ZeroLayer'");
  }
  TableReader(value, "a ZeroLayer", {"name", "stride"}).IntOf("stride", kOnlyOne);
  return {.op = LayerOp::kZero, .out = chain.out()};
}

void AddBlock(const SourceValue& value, const std::string& name, Chain& chain) {
  const TableReader block(value, "a block", {"name", "mobile_inverted_conv", "shortcut"});
  if (block.Find("name") != nullptr) ExpectText(block, "name", "MobileInvertedResidualBlock");
  LayerDesc layer = ReadOperation(block.Require("mobile_inverted_conv", "a layer"), chain);
  layer.name = name;
  CheckShortcut(block.Require("shortcut", "null or an IdentityLayer"), chain.Add(std::move(layer)));
}

void AddClassifier(const SourceValue& value, Chain& chain, int64_t& classes) {
  const TableReader table(value, "a LinearLayer",
                          {"name", "in_features", "out_features", "bias", "use_bn", "act_func",
                           "dropout_rate", "ops_order"});
  ExpectText(table, "name", "LinearLayer");
  ExpectBool(table, "bias", true);
  ExpectBool(table, "use_bn", false);
  ExpectNull(table, "act_func");
  ExpectChannels(table.Require("in_features", "a number"), chain.out().c);
  classes = table.Int("out_features", 2, kMaxChannels);
  chain.Add({.name = "classifier",
             .op = LayerOp::kClassifier,
             .out = {.c = classes},
             .dropout = table.Real("dropout_rate", 0.0, 0.99, 0.0)});
}

}  // namespace

bool IsReleasedNetwork(const SourceValue& document) {
  return document.Find("first_conv") != nullptr && document.Find("blocks") != nullptr;
}

NetworkDesc ReadReleasedNetwork(const SourceValue& document, std::string_view origin) {
  const TableReader table(
      document, "a released network",
      {"name", "bn", "first_conv", "blocks", "feature_mix_layer", "classifier"});
  NetworkDesc network{.name = table.String("name")};
  const TableReader norm(table.Require("bn", "momentum and eps"), "bn",
                         {"momentum", "eps", "ws_eps"});
  network.batch_norm.momentum = norm.Real("momentum", 0.0, 1.0);
  network.batch_norm.epsilon = norm.Real("eps", 1e-12, 1.0);
  ExpectNull(norm, "ws_eps");
  const SourceValue& stem = table.Require("first_conv", "a ConvLayer");
  const SourceValue* image_channels = stem.Find("in_channels");
  network.input = {kImageSide, kImageSide,
                   image_channels == nullptr ? 0 : ExpectInt(*image_channels, 1, kMaxChannels)};
  Chain chain(network);
  AddConv(stem, "stem", "Conv", chain);
  const SourceValue& blocks = table.Require("blocks", "an array of blocks");
  if (blocks.kind != SourceValue::Kind::kArray) Refuse(blocks, "an array of blocks");
  for (size_t i = 0; i < blocks.items.size(); ++i) {
    AddBlock(blocks.items[i], StrCat("block", i), chain);
  }
  AddConv(table.Require("feature_mix_layer", "a ConvLayer"), "feature_mix", "Conv_1", chain);
  AddClassifier(table.Require("classifier", "a LinearLayer"), chain, network.classes);
  CheckNetwork(network, origin);
  return network;
}

}  // namespace nasengine
