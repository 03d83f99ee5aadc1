// architecture.json, both ways.
// SPDX-License-Identifier: MIT
#include "nas/space/architecture_file.h"

#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "nas/space/released_network.h"
#include "nas/space/source_value.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "nasengine-architecture";
constexpr int kVersion = 1;
constexpr int64_t kMaxSize = 1 << 20;

Json SizeToJson(const Size3& size) { return Json::array({size.h, size.w, size.c}); }

Json LayerToJson(const LayerDesc& layer) {
  Json json{{"name", layer.name},
            {"op", Name(layer.op)},
            {"inputs", layer.inputs},
            {"input", SizeToJson(layer.in)},
            {"output", SizeToJson(layer.out)},
            {"kernel", layer.kernel},
            {"stride", layer.stride},
            {"expand", layer.expand},
            {"activation", Name(layer.activation)}};
  if (layer.op == LayerOp::kClassifier) json["dropout"] = layer.dropout;
  if (!layer.key_prefix.empty()) json["key"] = layer.key_prefix;
  return json;
}

Size3 ReadSize(const SourceValue& value) {
  if (value.kind != SourceValue::Kind::kArray || value.items.size() != 3) {
    Refuse(value, "an array of height, width, channels");
  }
  return {ExpectInt(value.items[0], 1, kMaxSize), ExpectInt(value.items[1], 1, kMaxSize),
          ExpectInt(value.items[2], 1, kMaxSize)};
}

LayerOp ReadOp(const SourceValue& value) {
  for (const LayerOp op :
       {LayerOp::kConv, LayerOp::kMbconv, LayerOp::kZero, LayerOp::kClassifier}) {
    if (value.kind == SourceValue::Kind::kString && value.text == Name(op)) return op;
  }
  Refuse(value, "'conv', 'mbconv', 'zero' or 'classifier'");
}

// The middle of a kMbconv and the outputs of kZero and kClassifier leave no choice.
Activation ReadActivation(const SourceValue& value, LayerOp op) {
  const bool is_conv = op == LayerOp::kConv;
  const std::string expected = is_conv                  ? "'none', 'relu' or 'relu6'"
                               : op == LayerOp::kMbconv ? "'relu6'"
                                                        : "'none'";
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
    const Activation only = op == LayerOp::kMbconv ? Activation::kRelu6 : Activation::kNone;
    if (value.kind == SourceValue::Kind::kString && value.text == Name(activation) &&
        (is_conv || activation == only)) {
      return activation;
    }
  }
  Refuse(value, expected);
}

// A number for every channel of the images.
std::vector<double> ReadChannels(const TableReader& table, std::string_view key, double low,
                                 int64_t channels) {
  const std::string expected = StrCat("an array of ", channels, " numbers, one a channel");
  const SourceValue& value = table.Require(key, expected);
  if (value.kind != SourceValue::Kind::kArray ||
      static_cast<int64_t>(value.items.size()) != channels) {
    Refuse(value, expected);
  }
  std::vector<double> numbers;
  for (const SourceValue& item : value.items) numbers.push_back(ExpectReal(item, low, 1.0));
  return numbers;
}

LayerDesc ReadLayer(const SourceValue& value) {
  const TableReader table(value, "a layer",
                          {"name", "op", "inputs", "input", "output", "kernel", "stride", "expand",
                           "activation", "dropout", "key"});
  LayerDesc layer;
  layer.name = table.String("name");
  layer.op = ReadOp(table.Require("op", "the operation's name"));
  layer.inputs = table.Strings("inputs");
  layer.in = ReadSize(table.Require("input", "a size"));
  layer.out = ReadSize(table.Require("output", "a size"));
  layer.kernel = static_cast<int>(table.Int("kernel", 1, 7));
  layer.stride = static_cast<int>(table.Int("stride", 1, 2));
  layer.expand = static_cast<int>(table.Int("expand", 1, 64));
  layer.activation = ReadActivation(table.Require("activation", "a string"), layer.op);
  layer.dropout = table.Real("dropout", 0.0, 0.99, 0.0);
  if (table.Find("key") != nullptr) layer.key_prefix = table.String("key");
  return layer;
}

void CheckFormat(const TableReader& table) {
  const SourceValue& format = table.Require("format", StrCat("'", kFormat, "'"));
  if (format.text != kFormat) Refuse(format, StrCat("'", kFormat, "'"));
  const SourceValue& version = table.Require("version", StrCat(kVersion));
  if (version.kind != SourceValue::Kind::kInteger || version.integer != kVersion) {
    Refuse(version, StrCat("version ", kVersion, ", the one this program reads"));
  }
}

void CheckArchitecture(const NetworkDesc& network, std::string_view origin) {
  // Fixed layers stand between the searched ones, so the list must be found in order among them.
  size_t layer = 0;
  for (size_t i = 0; i < network.architecture.size(); ++i) {
    const auto is_chosen = [&](const LayerDesc& desc) {
      return (desc.op == LayerOp::kMbconv || desc.op == LayerOp::kZero) &&
             CandidateName(desc) == network.architecture[i];
    };
    while (layer < network.layers.size() && !is_chosen(network.layers[layer])) ++layer;
    NAS_CHECK(layer < network.layers.size(), origin, ": architecture[", i, "]: found '",
              network.architecture[i], "', expected the choices in the order of the layers");
    ++layer;
  }
}

}  // namespace

std::string ArchitectureToJson(const NetworkDesc& network) {
  Json json{{"format", kFormat}, {"version", kVersion}, {"name", network.name}};
  if (!network.space.empty()) {
    json["space"] = network.space;
    json["architecture"] = network.architecture;
  }
  json["input"] = SizeToJson(network.input);
  json["classes"] = network.classes;
  json["batch_norm"] = {{"momentum", network.batch_norm.momentum},
                        {"epsilon", network.batch_norm.epsilon}};
  if (!network.mean.empty()) {
    json["normalization"] = {{"mean", network.mean}, {"std", network.std}};
  }
  json["layers"] = Json::array();
  for (const LayerDesc& layer : network.layers) json["layers"].push_back(LayerToJson(layer));
  return json.dump(2) + "\n";
}

NetworkDesc ArchitectureFromJson(std::string_view json, std::string_view origin) {
  const SourceValue document = ParseJson(json, origin);
  if (IsReleasedNetwork(document)) return ReadReleasedNetwork(document, origin);
  const TableReader table(document, "the document",
                          {"format", "version", "name", "space", "architecture", "input", "classes",
                           "batch_norm", "normalization", "layers"});
  CheckFormat(table);
  NetworkDesc network;
  network.name = table.String("name");
  if (table.Find("space") != nullptr) {
    network.space = table.String("space");
    network.architecture = table.Strings("architecture");
  }
  network.input = ReadSize(table.Require("input", "a size"));
  network.classes = table.Int("classes", 2, kMaxSize);
  const TableReader norm(table.Require("batch_norm", "momentum and epsilon"), "batch_norm",
                         {"momentum", "epsilon"});
  network.batch_norm.momentum = norm.Real("momentum", 0.0, 1.0);
  network.batch_norm.epsilon = norm.Real("epsilon", 1e-12, 1.0);
  if (const SourceValue* value = table.Find("normalization")) {
    const TableReader pixels(*value, "normalization", {"mean", "std"});
    network.mean = ReadChannels(pixels, "mean", 0.0, network.input.c);
    network.std = ReadChannels(pixels, "std", 1e-6, network.input.c);
  }
  const SourceValue& layers = table.Require("layers", "an array of layers");
  if (layers.kind != SourceValue::Kind::kArray) Refuse(layers, "an array of layers");
  for (const SourceValue& layer : layers.items) network.layers.push_back(ReadLayer(layer));
  CheckNetwork(network, origin);
  CheckArchitecture(network, origin);
  return network;
}

NetworkDesc LoadArchitecture(const std::string& path) {
  return ArchitectureFromJson(ReadFile(path), path);
}

void SaveArchitecture(const std::string& path, const NetworkDesc& network) {
  WriteFileAtomically(path, ArchitectureToJson(network));
}

}  // namespace nasengine
