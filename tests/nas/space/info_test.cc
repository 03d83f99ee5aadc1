// The keys that scripts rely on, and the table for people.
// SPDX-License-Identifier: MIT
#include "nas/space/info.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "nas/space/space_file.h"

namespace nasengine {
namespace {

using Json = nlohmann::json;

TEST(InfoTest, SpaceJsonHasTheFixedKeys) {
  const Json json = Json::parse(InfoJson(LoadSpace("proxyless-imagenet")));
  EXPECT_EQ(json["input"], Json::array({224, 224, 3}));
  EXPECT_EQ(json["searchable_blocks"], 21);
  EXPECT_EQ(json["architecture_parameters"], 141);
  EXPECT_EQ(json["supernet_parameters"], 16034168);
  EXPECT_NEAR(json["networks_log10"].get<double>(), 17.345378, 1e-6);
  EXPECT_EQ(json["largest"], (Json{{"parameters", 5103336}, {"macs", 606590720}}));
  EXPECT_EQ(json["smallest"], (Json{{"parameters", 2154984}, {"macs", 102528896}}));
}

TEST(InfoTest, NetworkJsonHasTheFixedKeysAndAddsUp) {
  const SearchSpace space = LoadSpace("proxyless-imagenet");
  const Json json = Json::parse(InfoJson(Derive(space, SmallestPath(space))));
  EXPECT_EQ(json["input"], Json::array({224, 224, 3}));
  EXPECT_EQ(json["parameters"], 2154984);
  EXPECT_EQ(json["macs"], 102528896);
  ASSERT_EQ(json["layers"].size(), 25u);
  int64_t parameters = 0;
  for (const Json& layer : json["layers"]) parameters += layer["parameters"].get<int64_t>();
  EXPECT_EQ(parameters, 2154984);
  const Json& block1 = json["layers"][2];
  EXPECT_EQ(block1["op"], "mbconv");
  EXPECT_EQ(block1["input"], Json::array({112, 112, 16}));
  EXPECT_EQ(block1["output"], Json::array({56, 56, 24}));
  EXPECT_EQ(block1["kernel"], 3);
  EXPECT_EQ(block1["expand"], 3);
  EXPECT_EQ(block1["stride"], 2);
  EXPECT_EQ(block1["macs"], 14601216);
  EXPECT_EQ(json["layers"][3]["op"], "zero");
}

TEST(InfoTest, TextShowsBlocksAndTotals) {
  const SearchSpace space = LoadSpace("proxyless-imagenet");
  const std::string text = InfoText(space);
  EXPECT_NE(text.find("supernet parameters     16,034,168\n"), std::string::npos) << text;
  EXPECT_NE(text.find("10^17.35 = 221502229807900608\n"), std::string::npos) << text;
  EXPECT_NE(text.find("14,601,216 - 41,244,672\n"), std::string::npos) << text;
  const std::string network = InfoText(Derive(space, SmallestPath(space)));
  EXPECT_NE(network.find("2,154,984 parameters, 102,528,896 MACs\n"), std::string::npos);
}

TEST(InfoTest, TiedBlocksSayWhoseChoiceTheyTake) {
  const SearchSpace own = LoadSpace("proxyless-imagenet");
  EXPECT_EQ(Json::parse(InfoJson(own))["gates"], 21);
  EXPECT_EQ(InfoText(own).find("tied"), std::string::npos);
  const SearchSpace tied = ParseSpace(R"(version = 1
name = "t"
input = [16, 16, 1]
classes = 4
[[stage]]
channels = 8
blocks = 3
candidates = ["3x3_MBConv3", "5x5_MBConv3"]
share = "stage"
[[layer]]
name = "classifier"
op = "classifier"
)",
                                      "t.toml");
  const Json json = Json::parse(InfoJson(tied));
  EXPECT_EQ(json["searchable_blocks"], 3);
  EXPECT_EQ(json["gates"], 1);
  EXPECT_EQ(json["architecture_parameters"], 2);
  EXPECT_EQ(json["networks"], "2");
  const std::string text = InfoText(tied);
  EXPECT_NE(text.find("block3      2 candidates, as block1"), std::string::npos) << text;
  EXPECT_NE(text.find("choices, blocks tied    1\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace nasengine
