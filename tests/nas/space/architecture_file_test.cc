// architecture.json: round trip, and the exact words about bad files.
// SPDX-License-Identifier: MIT
#include "nas/space/architecture_file.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "nas/space/search_space.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

NetworkDesc SmallNetwork() {
  const SearchSpace space = LoadSpace("fashion");
  return Derive(space, SmallestPath(space));
}

std::string Refusal(const std::string& text) {
  try {
    ArchitectureFromJson(text, "a.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "no error";
}

// What is said about the small network's document with one value replaced.
std::string RefusalWith(const std::string& pointer, const Json& value) {
  Json json = Json::parse(ArchitectureToJson(SmallNetwork()));
  json[Json::json_pointer(pointer)] = value;
  return Refusal(json.dump());
}

TEST(ArchitectureFileTest, RoundTripsEveryNetwork) {
  for (const std::string& name : BuiltinSpaceNames()) {
    const SearchSpace space = LoadSpace(name);
    for (const auto& choice : {SmallestPath(space), LargestPath(space)}) {
      const NetworkDesc network = Derive(space, choice);
      const std::string text = ArchitectureToJson(network);
      const NetworkDesc read = ArchitectureFromJson(text, "a.json");
      EXPECT_EQ(read, network);
      EXPECT_EQ(ArchitectureToJson(read), text);
    }
  }
}

TEST(ArchitectureFileTest, SavesAndLoads) {
  const std::string path = testing::TempDir() + "/nas_space_architecture.json";
  SaveArchitecture(path, SmallNetwork());
  EXPECT_EQ(LoadArchitecture(path), SmallNetwork());
  std::remove(path.c_str());
  EXPECT_THROW(LoadArchitecture(path), Error);
}

TEST(ArchitectureFileTest, RefusesOtherDocuments) {
  EXPECT_EQ(Refusal("{\n \"format\": }").substr(0, 13), "a.json:2:12: ");
  EXPECT_EQ(Refusal("[]"), "a.json: found an array, expected a table: the document");
  EXPECT_EQ(Refusal("{}"),
            "a.json: found no key 'format' in the document, expected 'nasengine-architecture'");
  EXPECT_EQ(RefusalWith("/format", "onnx"),
            "a.json: format: found 'onnx', expected 'nasengine-architecture'");
  EXPECT_EQ(RefusalWith("/version", 2),
            "a.json: version: found 2, expected version 1, the one this program reads");
  EXPECT_EQ(RefusalWith("/layers", Json::array()),
            "a.json: found no layer, expected at least a classifier");
  const std::string text = ArchitectureToJson(SmallNetwork());
  EXPECT_NE(Refusal(text.substr(0, text.size() / 2)), "no error");
  EXPECT_NE(Refusal(std::string(100000, '[')), "no error");
}

TEST(ArchitectureFileTest, RefusesWrongValuesWithTheirPlace) {
  EXPECT_EQ(RefusalWith("/layers/1/op", "pool"),
            "a.json: layers[1].op: found 'pool', expected 'conv', 'mbconv', 'zero' or "
            "'classifier'");
  EXPECT_EQ(RefusalWith("/layers/1/stride", 3),
            "a.json: layers[1].stride: found 3, expected an integer from 1 to 2");
  EXPECT_EQ(RefusalWith("/layers/1/kernel", 4),
            "a.json: layer 'block1': found kernel 4, expected 3, 5 or 7");
  EXPECT_EQ(RefusalWith("/layers/1/kernel", "3"),
            "a.json: layers[1].kernel: found '3', expected an integer from 1 to 7");
  EXPECT_EQ(RefusalWith("/layers/0/input/2", 0),
            "a.json: layers[0].input[2]: found 0, expected an integer from 1 to 1048576");
  EXPECT_EQ(RefusalWith("/layers/1/colour", 1).substr(0, 52),
            "a.json: layers[1].colour: found the key 'colour', ex");
  EXPECT_EQ(RefusalWith("/layers/1/activation", "none"),
            "a.json: layers[1].activation: found 'none', expected 'relu6'");
}

TEST(ArchitectureFileTest, KeepsHowPixelsAreNormalised) {
  NetworkDesc network = SmallNetwork();
  EXPECT_EQ(ArchitectureToJson(network).find("normalization"), std::string::npos);
  network.mean.assign(static_cast<size_t>(network.input.c), 1.0 / 3);
  network.mean.front() = 0;
  network.std.assign(static_cast<size_t>(network.input.c), 0.25);
  EXPECT_EQ(ArchitectureFromJson(ArchitectureToJson(network), "a.json"), network);
  network.std.push_back(0.25);
  EXPECT_NE(Refusal(ArchitectureToJson(network)).find("a.json: normalization.std: found an array"),
            std::string::npos);
}

TEST(ArchitectureFileTest, RefusesNetworksThatDoNotFitTogether) {
  EXPECT_EQ(RefusalWith("/layers/1/inputs/0", "stam"),
            "a.json: layer 'block1': found the input 'stam', expected the name of an earlier "
            "layer");
  EXPECT_EQ(RefusalWith("/layers/1/input/2", 9),
            "a.json: layer 'block1': found the input size 28x28x9, expected 28x28x8, the output of "
            "'stem'");
  EXPECT_EQ(RefusalWith("/layers/1/stride", 1),
            "a.json: layer 'block1': found the output 14x14x24, expected 28x28x24 after stride 1 "
            "on 28x28x8");
  EXPECT_EQ(RefusalWith("/layers/1/name", "stem"),
            "a.json: layer 'stem': found the name a second time, expected every name once");
  EXPECT_EQ(RefusalWith("/classes", 11),
            "a.json: layer 'classifier': found 10 outputs, expected 11 classes");
  EXPECT_EQ(RefusalWith("/layers/2/expand", 3),
            "a.json: layer 'block2': found kernel 1, stride 1, expand 3, expected 1 for each in a "
            "zero");
  EXPECT_EQ(RefusalWith("/architecture/0", "7x7_MBConv6"),
            "a.json: architecture[0]: found '7x7_MBConv6', expected the choices in the order of "
            "the layers");
}

}  // namespace
}  // namespace nasengine
