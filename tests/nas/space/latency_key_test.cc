// Keys against the grammar and, where the published table is at hand, against that table.
// SPDX-License-Identifier: MIT
#include "nas/space/latency_key.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <sstream>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

TEST(LatencyKeyTest, SpellsEveryKindOfLayer) {
  const SearchSpace space = LoadSpace("proxyless-imagenet");
  const auto fixed = [&](size_t node) {
    return LatencyKey(std::get<LayerDesc>(space.nodes[node]));
  };
  EXPECT_EQ(fixed(0), "Conv-input:224x224x3-output:112x112x32");
  EXPECT_EQ(fixed(1),
            "expanded_conv-input:112x112x32-output:112x112x16-expand:1-kernel:3-stride:1-idskip:0");
  EXPECT_EQ(fixed(23), "Conv_1-input:7x7x320-output:7x7x1280");
  EXPECT_EQ(fixed(24), "Logits-input:7x7x1280-output:1000");
  const ChoiceNode& block2 = *space.Choices()[1];
  EXPECT_EQ(LatencyKey(block2.candidates[5]),
            "expanded_conv-input:56x56x24-output:56x56x24-expand:6-kernel:7-stride:1-idskip:1");
  EXPECT_EQ(LatencyKey(block2.candidates[6]), "");
  LayerDesc plain = std::get<LayerDesc>(space.nodes[0]);
  plain.key_prefix.clear();
  EXPECT_EQ(LatencyKey(plain), "Conv-input:224x224x3-output:112x112x32-kernel:3-stride:2");
}

TEST(LatencyKeyTest, DistinctKeysHoldEveryLayerOnce) {
  const SearchSpace space = LoadSpace("proxyless-imagenet");
  std::set<std::string> keys;
  for (const KeyedLayer& keyed : DistinctKeys(space)) {
    EXPECT_EQ(LatencyKey(keyed.layer), keyed.key);
    EXPECT_TRUE(keys.insert(keyed.key).second) << keyed.key;
  }
  // 3 fixed layers, block 0, and six candidates of eleven block shapes.
  EXPECT_EQ(keys.size(), 3u + 1u + 66u);
  for (const KeyedLayer& keyed : DistinctKeys(Derive(space, LargestPath(space)))) {
    EXPECT_EQ(keys.count(keyed.key), 1u) << keyed.key;
  }
}

TEST(LatencyKeyTest, RefusesOneKeyForTwoKernels) {
  SearchSpace space = LoadSpace("fashion");
  LayerDesc second = std::get<LayerDesc>(space.nodes[0]);
  second.name = "other";
  second.kernel = 5;
  space.nodes.insert(space.nodes.begin(), second);
  EXPECT_THROW(DistinctKeys(space), Error);
}

TEST(LatencyKeyTest, ThePublishedPhoneTableHasEveryKeyOfTheImageNetSpace) {
  const char* shared = std::getenv("NASENGINE_SHARED");
  if (shared == nullptr) {
    GTEST_SKIP() << "NASENGINE_SHARED does not name the folder with data/mobile_lut";
  }
  std::istringstream table(ReadFile(std::string(shared) + "/data/mobile_lut/mobile_trim.yaml"));
  std::set<std::string> published;
  for (std::string line; std::getline(table, line);) {
    if (!line.empty() && line.front() != ' ') published.insert(line.substr(0, line.size() - 1));
  }
  ASSERT_EQ(published.size(), 72u);
  for (const KeyedLayer& keyed : DistinctKeys(LoadSpace("proxyless-imagenet"))) {
    EXPECT_EQ(published.erase(keyed.key), 1u) << keyed.key;
  }
  // What remains are the two larger kernels of block 0, which the space fixes to 3x3.
  EXPECT_EQ(published.size(), 2u);
}

}  // namespace
}  // namespace nasengine
