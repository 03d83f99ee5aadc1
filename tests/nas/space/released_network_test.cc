// Released descriptions: a small one written by hand, a published one written out in full from our
// own, and the exact words about what we cannot express.
// SPDX-License-Identifier: MIT
#include "nas/space/released_network.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "nas/space/architecture_file.h"
#include "nas/space/counts.h"
#include "nas/space/network_zoo.h"
#include "nas/space/search_space.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

// A stem, an expansion-1 block, one with a residual, one skipped, one with stride 2.
constexpr const char* kSmall = R"({
  "name": "ProxylessNASNets",
  "bn": {"momentum": 0.1, "eps": 0.001},
  "first_conv": {
    "name": "ConvLayer", "kernel_size": 3, "stride": 2, "dilation": 1, "groups": 1, "bias": false,
    "has_shuffle": false, "in_channels": 3, "out_channels": 16, "use_bn": true,
    "act_func": "relu6", "dropout_rate": 0, "ops_order": "weight_bn_act"},
  "blocks": [
    {"name": "MobileInvertedResidualBlock",
     "mobile_inverted_conv": {"name": "MBInvertedConvLayer", "in_channels": 16, "out_channels": 8,
       "kernel_size": 3, "stride": 1, "expand_ratio": 1},
     "shortcut": null},
    {"name": "MobileInvertedResidualBlock",
     "mobile_inverted_conv": {"name": "MBInvertedConvLayer", "in_channels": 8, "out_channels": 8,
       "kernel_size": 7, "stride": 1, "expand_ratio": 3, "mid_channels": null},
     "shortcut": {"name": "IdentityLayer", "in_channels": [8], "out_channels": [8],
       "use_bn": false, "act_func": null, "dropout_rate": 0, "ops_order": "weight_bn_act"}},
    {"name": "MobileInvertedResidualBlock",
     "mobile_inverted_conv": {"name": "ZeroLayer", "stride": 1},
     "shortcut": {"name": "IdentityLayer", "in_channels": [8], "out_channels": [8],
       "use_bn": false, "act_func": null, "dropout_rate": 0, "ops_order": "weight_bn_act"}},
    {"name": "MobileInvertedResidualBlock",
     "mobile_inverted_conv": {"name": "MBInvertedConvLayer", "in_channels": 8, "out_channels": 24,
       "kernel_size": 5, "stride": 2, "expand_ratio": 6, "mid_channels": 48},
     "shortcut": null}],
  "feature_mix_layer": {
    "name": "ConvLayer", "kernel_size": 1, "stride": 1, "dilation": 1, "groups": 1, "bias": false,
    "has_shuffle": false, "in_channels": 24, "out_channels": 64, "use_bn": true,
    "act_func": "relu6", "dropout_rate": 0, "ops_order": "weight_bn_act"},
  "classifier": {
    "name": "LinearLayer", "in_features": 64, "out_features": 100, "bias": true, "use_bn": false,
    "act_func": null, "dropout_rate": 0.2, "ops_order": "weight_bn_act"}
})";

std::string Refusal(const std::string& text) {
  try {
    ArchitectureFromJson(text, "net.config");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "no error";
}

// What is said about the small network with one value replaced.
std::string RefusalWith(const std::string& pointer, const Json& value) {
  Json json = Json::parse(kSmall);
  json[Json::json_pointer(pointer)] = value;
  return Refusal(json.dump());
}

Json ConvJson(const LayerDesc& layer) {
  return {{"name", "ConvLayer"},
          {"kernel_size", layer.kernel},
          {"stride", layer.stride},
          {"dilation", 1},
          {"groups", 1},
          {"bias", false},
          {"has_shuffle", false},
          {"in_channels", layer.in.c},
          {"out_channels", layer.out.c},
          {"use_bn", true},
          {"act_func", "relu6"},
          {"dropout_rate", 0},
          {"ops_order", "weight_bn_act"}};
}

Json BlockJson(const LayerDesc& layer) {
  Json block{{"name", "MobileInvertedResidualBlock"}};
  if (layer.op == LayerOp::kZero) {
    block["mobile_inverted_conv"] = {{"name", "ZeroLayer"}, {"stride", 1}};
  } else {
    block["mobile_inverted_conv"] = {
        {"name", "MBInvertedConvLayer"}, {"in_channels", layer.in.c},
        {"out_channels", layer.out.c},   {"kernel_size", layer.kernel},
        {"stride", layer.stride},        {"expand_ratio", layer.expand}};
  }
  block["shortcut"] = nullptr;
  if (layer.in == layer.out) {
    block["shortcut"] = {{"name", "IdentityLayer"},       {"in_channels", {layer.in.c}},
                         {"out_channels", {layer.out.c}}, {"use_bn", false},
                         {"act_func", nullptr},           {"dropout_rate", 0},
                         {"ops_order", "weight_bn_act"}};
  }
  return block;
}

// The network as its authors would have released it.
std::string ReleasedText(const NetworkDesc& network) {
  Json json{
      {"name", network.name},
      {"bn", {{"momentum", network.batch_norm.momentum}, {"eps", network.batch_norm.epsilon}}}};
  json["blocks"] = Json::array();
  for (const LayerDesc& layer : network.layers) {
    if (layer.name == "stem") json["first_conv"] = ConvJson(layer);
    if (layer.name == "feature_mix") json["feature_mix_layer"] = ConvJson(layer);
    if (layer.name.starts_with("block")) json["blocks"].push_back(BlockJson(layer));
  }
  const LayerDesc& last = network.layers.back();
  json["classifier"] = {{"name", "LinearLayer"},
                        {"in_features", last.in.c},
                        {"out_features", last.out.c},
                        {"bias", true},
                        {"use_bn", false},
                        {"act_func", nullptr},
                        {"dropout_rate", last.dropout},
                        {"ops_order", "weight_bn_act"}};
  return json.dump(2);
}

TEST(ReleasedNetworkTest, ReadsASmallOne) {
  const NetworkDesc network = ArchitectureFromJson(kSmall, "net.config");
  EXPECT_EQ(network.name, "ProxylessNASNets");
  EXPECT_EQ(network.input, (Size3{224, 224, 3}));
  EXPECT_EQ(network.classes, 100);
  EXPECT_EQ(network.batch_norm, (BatchNormDesc{0.1, 1e-3}));
  ASSERT_EQ(network.layers.size(), 7u);
  EXPECT_EQ(network.layers[0].out, (Size3{112, 112, 16}));
  EXPECT_EQ(network.layers[0].key_prefix, "Conv");
  EXPECT_EQ(CandidateName(network.layers[1]), "3x3_MBConv1");
  EXPECT_FALSE(HasResidual(network.layers[1]));
  EXPECT_EQ(CandidateName(network.layers[2]), "7x7_MBConv3");
  EXPECT_TRUE(HasResidual(network.layers[2]));
  EXPECT_EQ(network.layers[3].op, LayerOp::kZero);
  EXPECT_EQ(network.layers[4].name, "block3");
  EXPECT_EQ(network.layers[4].out, (Size3{56, 56, 24}));
  EXPECT_EQ(network.layers[6].dropout, 0.2);
  // It is a network like any other from here on.
  EXPECT_EQ(ArchitectureFromJson(ArchitectureToJson(network), "a.json"), network);
  EXPECT_EQ(WithData(network, {32, 32, 3}, 10).layers.back().in, (Size3{8, 8, 64}));
}

TEST(ReleasedNetworkTest, PublishedNetworksSurviveTheRoundTrip) {
  for (const std::string& name : BuiltinNetworkNames()) {
    const NetworkDesc network = LoadNetwork(name);
    EXPECT_EQ(ArchitectureFromJson(ReleasedText(network), name), network);
  }
}

TEST(ReleasedNetworkTest, RefusesLayersThatWeDoNotHave) {
  EXPECT_EQ(RefusalWith("/first_conv/groups", 2),
            "net.config: first_conv.groups: found 2, expected groups 1");
  EXPECT_EQ(RefusalWith("/first_conv/dilation", 2),
            "net.config: first_conv.dilation: found 2, expected dilation 1");
  EXPECT_EQ(RefusalWith("/first_conv/has_shuffle", true),
            "net.config: first_conv.has_shuffle: found true, expected false");
  EXPECT_EQ(RefusalWith("/feature_mix_layer/act_func", "h_swish"),
            "net.config: feature_mix_layer.act_func: found 'h_swish', expected 'relu6'");
  EXPECT_EQ(RefusalWith("/feature_mix_layer/bias", true),
            "net.config: feature_mix_layer.bias: found true, expected false");
  EXPECT_EQ(RefusalWith("/first_conv/name", "DepthConvLayer"),
            "net.config: first_conv.name: found 'DepthConvLayer', expected 'ConvLayer'");
  EXPECT_EQ(RefusalWith("/first_conv/ops_order", "bn_act_weight"),
            "net.config: first_conv.ops_order: found 'bn_act_weight', expected 'weight_bn_act'");
  EXPECT_EQ(RefusalWith("/blocks/1/mobile_inverted_conv/name", "PoolingLayer"),
            "net.config: blocks[1].mobile_inverted_conv.name: found 'PoolingLayer', expected "
            "'MBInvertedConvLayer' or 'ZeroLayer'");
  EXPECT_EQ(RefusalWith("/blocks/1/mobile_inverted_conv/use_se", true),
            "net.config: blocks[1].mobile_inverted_conv.use_se: found true, expected false");
  EXPECT_EQ(RefusalWith("/blocks/1/mobile_inverted_conv/kernel_size", 9),
            "net.config: blocks[1].mobile_inverted_conv.kernel_size: found 9, expected kernel_size "
            "3, 5 or 7");
  EXPECT_EQ(RefusalWith("/classifier/act_func", "relu"),
            "net.config: classifier.act_func: found 'relu', expected null");
  EXPECT_EQ(RefusalWith("/blocks/1/weight", 1).substr(0, 56),
            "net.config: blocks[1].weight: found the key 'weight', ex");
  EXPECT_EQ(RefusalWith("/blocks/1", 1),
            "net.config: blocks[1]: found 1, expected a table: a block");
}

TEST(ReleasedNetworkTest, RefusesWhatDoesNotFitTogether) {
  EXPECT_EQ(RefusalWith("/blocks/1/mobile_inverted_conv/in_channels", 9),
            "net.config: blocks[1].mobile_inverted_conv.in_channels: found 9, expected 8, the "
            "channels of the layer before");
  EXPECT_EQ(RefusalWith("/classifier/in_features", 65),
            "net.config: classifier.in_features: found 65, expected 64, the channels of the layer "
            "before");
  EXPECT_EQ(RefusalWith("/blocks/3/mobile_inverted_conv/mid_channels", 40),
            "net.config: blocks[3].mobile_inverted_conv.mid_channels: found 40, expected null or "
            "48, in_channels times expand_ratio");
  EXPECT_EQ(RefusalWith("/blocks/1/shortcut", nullptr),
            "net.config: blocks[1].shortcut: found null, expected an IdentityLayer where size and "
            "channels stay");
  const Json identity = Json::parse(kSmall)["blocks"][1]["shortcut"];
  EXPECT_EQ(RefusalWith("/blocks/3/shortcut", identity),
            "net.config: blocks[3].shortcut: found a table, expected null where size or channels "
            "change");
  EXPECT_EQ(RefusalWith("/blocks/1/shortcut/use_bn", true),
            "net.config: blocks[1].shortcut.use_bn: found true, expected false");
  EXPECT_EQ(RefusalWith("/blocks/2/mobile_inverted_conv/stride", 2),
            "net.config: blocks[2].mobile_inverted_conv.stride: found 2, expected stride 1");
  EXPECT_EQ(RefusalWith("/blocks", 3), "net.config: blocks: found 3, expected an array of blocks");
}

}  // namespace
}  // namespace nasengine
