// The published networks to the last parameter and multiply-accumulate, and what --network takes.
// SPDX-License-Identifier: MIT
#include "nas/space/network_zoo.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "nas/space/architecture_file.h"
#include "nas/space/counts.h"
#include "nas/space/search_space.h"
#include "nas/space/space_file.h"
#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

std::string MessageOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

struct Published {
  std::string name;
  Counts counts;
  double dropout;
};

TEST(NetworkZooTest, NetworksHaveThePublishedCounts) {
  const std::vector<Published> rows = {
      {"proxyless-gpu", {7119848, 465260160}, 0.3},
      {"proxyless-cpu", {4361648, 439243864}, 0.2},
      {"proxyless-mobile", {4080512, 320427584}, 0.1},
      {"proxyless-mobile-1.4", {6857568, 580883408}, 0.3},
      {"mobilenet-v2", {3504872, 300774272}, 0.2},
  };
  EXPECT_EQ(BuiltinNetworkNames().size(), rows.size());
  for (const Published& row : rows) {
    const NetworkDesc network = LoadNetwork(row.name);
    const Counts counts = CountNetwork(network);
    EXPECT_EQ(counts, row.counts) << row.name << ": " << counts.parameters << ", " << counts.macs;
    EXPECT_EQ(network.name, row.name);
    EXPECT_EQ(network.layers.back().dropout, row.dropout);
    EXPECT_TRUE(network.space.empty() && network.architecture.empty());
    EXPECT_NO_THROW(CheckNetwork(network, row.name));
    EXPECT_EQ(ArchitectureFromJson(ArchitectureToJson(network), "a.json"), network);
  }
}

// The table of layers names them as we do, but for "mix".
TEST(NetworkZooTest, EveryLayerOfTheProxylessNetworksIsThePublishedOne) {
  const char* shared = std::getenv("NASENGINE_SHARED");
  if (shared == nullptr) GTEST_SKIP() << "NASENGINE_SHARED does not name the folder with data";
  const std::string path = std::string(shared) + "/data/proxyless_nets/imagenet_nets.csv";
  std::ifstream file(path);
  if (!file) GTEST_SKIP() << path << " is not there";
  const std::map<std::string, std::string> names = {
      {"proxyless_gpu", "proxyless-gpu"},
      {"proxyless_cpu", "proxyless-cpu"},
      {"proxyless_mobile", "proxyless-mobile"},
      {"proxyless_mobile_14", "proxyless-mobile-1.4"}};
  std::map<std::string, size_t> seen;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
    ASSERT_EQ(cells.size(), 14u) << line;
    ASSERT_TRUE(names.contains(cells[0])) << line;
    const NetworkDesc network = LoadNetwork(names.at(cells[0]));
    const size_t index = seen[cells[0]]++;
    ASSERT_LT(index, network.layers.size()) << line;
    const LayerDesc& layer = network.layers[index];
    EXPECT_EQ(layer.name, cells[1] == "mix" ? "feature_mix" : cells[1]) << line;
    const auto number = [&](size_t cell) {
      return cells[cell].empty() ? 1 : std::stoll(cells[cell]);
    };
    const std::string op = layer.op == LayerOp::kConv ? (layer.kernel == 3 ? "conv3x3" : "conv1x1")
                           : layer.op == LayerOp::kClassifier ? "linear"
                                                              : std::string(Name(layer.op));
    EXPECT_EQ(op, cells[2]) << line;
    EXPECT_EQ(layer.in.c, number(5)) << line;
    EXPECT_EQ(layer.out.c, number(7)) << line;
    EXPECT_EQ(CountLayer(layer), (Counts{number(12), number(13)})) << line;
    if (layer.op == LayerOp::kClassifier) continue;
    EXPECT_EQ(layer.stride, number(8)) << line;
    EXPECT_EQ(layer.in.h, number(9)) << line;
    EXPECT_EQ(layer.out.h, number(10)) << line;
    if (layer.op != LayerOp::kMbconv) continue;
    EXPECT_EQ(layer.kernel, number(3)) << line;
    EXPECT_EQ(layer.expand, number(4)) << line;
    EXPECT_EQ(ExpandedChannels(layer), number(6)) << line;
    EXPECT_EQ(HasResidual(layer), number(11) == 1) << line;
  }
  EXPECT_EQ(seen.size(), names.size());
  for (const auto& [name, layers] : seen) EXPECT_EQ(layers, 25u) << name;
}

// Published to whole millions of multiply-accumulates, cut off (300.8 is called 300).
TEST(NetworkZooTest, MobileNetV2TakesTheWidthsOfItsPaper) {
  const std::map<std::string, int64_t> millions = {{"0.35", 59}, {"0.5", 97},  {"0.75", 209},
                                                   {"1", 300},   {"1.3", 509}, {"1.4", 582}};
  for (const auto& [width, expected] : millions) {
    const NetworkDesc network = LoadNetwork("mobilenet-v2@" + width);
    EXPECT_EQ(CountNetwork(network).macs / 1000000, expected) << width;
    EXPECT_EQ(network.name, width == "1" ? "mobilenet-v2" : "mobilenet-v2@" + width);
    EXPECT_EQ(network.layers.back().in.c, std::stod(width) > 1 ? 1280 * std::stod(width) : 1280);
  }
}

TEST(NetworkZooTest, ANetworkTakesOtherDataAndKeepsItsChannels) {
  const NetworkDesc network = WithData(LoadNetwork("mobilenet-v2@0.5"), {28, 28, 1}, 10);
  EXPECT_EQ(network.name, "mobilenet-v2@0.5");
  EXPECT_EQ(network.input, (Size3{28, 28, 1}));
  EXPECT_EQ(network.layers.front().out, (Size3{14, 14, 16}));
  EXPECT_EQ(network.layers.back().in, (Size3{1, 1, 1280}));
  EXPECT_EQ(network.layers.back().out.c, 10);
  EXPECT_NO_THROW(CheckNetwork(network, "changed"));
  EXPECT_EQ(WithData(network, {224, 224, 3}, 1000), LoadNetwork("mobilenet-v2@0.5"));
  EXPECT_EQ(MessageOf([&] {
              WithData(network, {8, 8, 3}, 10);
            }),
            "network mobilenet-v2@0.5 with images of 8x8x3: found stride 2 of 'block6' on a map of "
            "1x1, expected at least 2x2: use larger images or fewer strides");
}

TEST(NetworkZooTest, LoadsFilesOfBothFormats) {
  const TempDir folder;
  const NetworkDesc network = LoadNetwork("proxyless-cpu");
  SaveArchitecture(folder / "net.json", network);
  EXPECT_EQ(LoadNetwork(folder / "net.json"), network);
  const std::string space = std::string(BuiltinSpaceText("fashion"));
  WriteFileAtomically(folder / "space.toml", space);
  EXPECT_EQ(MessageOf([&] { LoadNetwork(folder / "space.toml"); }),
            std::string(folder / "space.toml") +
                ": found 6 candidates in block1, expected one operation for every block of a "
                "network");
  std::string fixed = space;
  const std::string zero = "zero = true";
  for (size_t at = fixed.find(zero); at != std::string::npos; at = fixed.find(zero)) {
    fixed.erase(at, zero.size());
  }
  for (size_t at = fixed.find("3x3_MBConv3\", \""); at != std::string::npos;
       at = fixed.find("3x3_MBConv3\", \"")) {
    fixed.erase(at + 12, fixed.find(']', at) - at - 12);
  }
  WriteFileAtomically(folder / "fixed.toml", fixed);
  EXPECT_EQ(CountNetwork(LoadNetwork(folder / "fixed.toml")),
            CountPath(LoadSpace("fashion"), std::vector<int>(7, 0)));
}

TEST(NetworkZooTest, RefusesUnknownNamesAndWidths) {
  EXPECT_EQ(MessageOf([] { LoadNetwork("mobilenet-v3"); }),
            "network 'mobilenet-v3': found neither a built-in network nor a file, expected "
            "architecture.json, a TOML file or one of proxyless-mobile proxyless-cpu proxyless-gpu "
            "proxyless-mobile-1.4 mobilenet-v2");
  for (const std::string width : {"", "x", "1,5", "0.5x", " 1"}) {
    EXPECT_EQ(MessageOf([&] { LoadNetwork("mobilenet-v2@" + width); }),
              "network 'mobilenet-v2@" + width + "': found the width '" + width +
                  "', expected a number such as 0.75");
  }
  EXPECT_EQ(MessageOf([] { LoadNetwork("mobilenet-v2@0"); }),
            "network 'mobilenet-v2@0': found 0, expected a number from 0.05 to 10");
  EXPECT_TRUE(IsBuiltinNetwork("mobilenet-v2@0.5"));
  EXPECT_FALSE(IsBuiltinNetwork("runs/a/architecture.json"));
}

}  // namespace
}  // namespace nasengine
