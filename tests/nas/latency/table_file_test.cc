// Tables of other makers: what is read, and what is refused with its place.
// SPDX-License-Identifier: MIT
#include "nas/latency/table_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "nas/latency/macs_table.h"
#include "nas/latency/nearest_key.h"
#include "nas/space/space_file.h"
#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

constexpr char kYaml[] =
    "Conv-input:8x8x3-output:4x4x8:\n  count: 982\n  mean: 4.0837556\n  var: 0.25\n"
    "Logits-input:1x1x8-output:10:\n  count: 3\n  mean: 0\n  std: 2.0\n";
constexpr char kCsv[] =
    "block_name,latency(us),energy(mJ)\n"
    "Conv-input:8x8x3-output:4x4x8,1500,2.5\n"
    "Logits-input:1x1x8-output:10,20,0\n";

template <class Read>
std::string Refusal(const Read& read) {
  try {
    read();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string YamlRefusal(const std::string& text) {
  return Refusal([&] { LatencyTableFromYaml(text, "t.yaml"); });
}

std::string CsvRefusal(const std::string& text, const std::string& cost = "") {
  return Refusal([&] { LatencyTableFromCsv(text, "t.csv", cost); });
}

TEST(TableFileTest, ReadsYaml) {
  const LatencyTable table = LatencyTableFromYaml(kYaml, "t.yaml");
  ASSERT_EQ(table.entries.size(), 2u);
  EXPECT_TRUE(table.cost.is_latency());
  const LatencyEntry* conv = table.Find("Conv-input:8x8x3-output:4x4x8");
  ASSERT_NE(conv, nullptr);
  EXPECT_EQ(conv->cost, 4.0837556);
  EXPECT_EQ(conv->samples, 982);
  EXPECT_DOUBLE_EQ(conv->mad, 0.6745 * 0.5);
  EXPECT_DOUBLE_EQ(table.Find("Logits-input:1x1x8-output:10")->mad, 0.6745 * 2);
  // What a run keeps of it reads back.
  EXPECT_EQ(LatencyTableFromJson(LatencyTableToJson(table), "t.json"), table);
}

TEST(TableFileTest, RefusesWrongYamlWithItsPlace) {
  EXPECT_EQ(YamlRefusal("a:\n  count: 1\n  mean: 1\na:\n  count: 1\n  mean: 2\n"),
            "t.yaml:4:1: found the key 'a' twice, expected it once");
  EXPECT_EQ(YamlRefusal("a:\n  count: 1\n  mean: -1\n"),
            "t.yaml:3:9: found '-1', expected a finite number, 0 or more");
  EXPECT_EQ(YamlRefusal("a:\n  count: 1\n  mean: .nan\n"),
            "t.yaml:3:9: found '.nan', expected a finite number, 0 or more");
  EXPECT_EQ(YamlRefusal("a:\n  count: 0\n  mean: 1\n"),
            "t.yaml:2:10: found '0', expected an integer above 0");
  EXPECT_EQ(YamlRefusal("a:\n  count: 1\n"),
            "t.yaml:2:3: found no 'mean', expected count and mean");
  EXPECT_EQ(YamlRefusal("a:\n  count: 1\n  mean: 1\n  mean: 2\n"),
            "t.yaml:4:3: found 'mean' twice, expected it once");
  EXPECT_EQ(YamlRefusal("a:\n  count: 1\n  median: 1\n"),
            "t.yaml:3:3: found 'median', expected count, mean, var or std");
  EXPECT_EQ(YamlRefusal("a: 3\n"),
            "t.yaml:1:4: found no map, expected count, mean and var or std below the key");
  EXPECT_EQ(YamlRefusal("a:\n  count: 1e300\n  mean: 1\n"),
            "t.yaml:2:10: found '1e300', expected an integer above 0");
  EXPECT_EQ(YamlRefusal("[1, 2]:\n  count: 1\n  mean: 1\n"),
            "t.yaml:1:1: found a key that is no word, expected a word");
  EXPECT_EQ(YamlRefusal("a:\n  count: 1\n  mean: 1\n---\nb:\n  count: 1\n  mean: -1\n"),
            "t.yaml: found 2 YAML documents, expected one");
  EXPECT_EQ(YamlRefusal("# nothing\n"),
            "t.yaml: found no keys, expected a map from latency keys to count and mean");
  EXPECT_EQ(YamlRefusal("- 1\n- 2\n").rfind("t.yaml:1:1: found ", 0), 0u);
  EXPECT_EQ(YamlRefusal("a: [1\n").rfind("t.yaml:2:1: found ", 0), 0u) << YamlRefusal("a: [1\n");
}

TEST(TableFileTest, ReadsTheColumnsOfACsv) {
  const LatencyTable latency = LatencyTableFromCsv(kCsv, "t.csv");
  EXPECT_EQ(latency.cost, CostUnit{});
  EXPECT_DOUBLE_EQ(latency.Find("Conv-input:8x8x3-output:4x4x8")->cost, 1.5);
  EXPECT_DOUBLE_EQ(latency.Find("Logits-input:1x1x8-output:10")->cost, 0.02);
  for (const std::string cost : {"energy", "energy(mJ)"}) {
    const LatencyTable energy = LatencyTableFromCsv(kCsv, "t.csv", cost);
    EXPECT_EQ(energy.cost, (CostUnit{.name = "energy", .unit = "mJ"}));
    EXPECT_EQ(energy.Find("Conv-input:8x8x3-output:4x4x8")->cost, 2.5);
    EXPECT_EQ(LatencyTableFromJson(LatencyTableToJson(energy), "t.json"), energy);
  }
  std::string windows = kCsv;
  for (std::size_t at = 0; (at = windows.find('\n', at)) != std::string::npos; at += 2) {
    windows.insert(at, "\r");
  }
  EXPECT_EQ(LatencyTableFromCsv(windows, "t.csv"), latency);
}

TEST(TableFileTest, RefusesWrongCsvWithItsPlace) {
  EXPECT_EQ(CsvRefusal("name,latency(ms)\na,1\n"),
            "t.csv:1:1: found 'name', expected the header block_name,NAME(UNIT),... such as "
            "block_name,latency(ms)");
  EXPECT_EQ(CsvRefusal("block_name,latency(cycles)\na,1\n"),
            "t.csv:1:12: found latency in 'cycles', expected ns, us, ms or s");
  EXPECT_EQ(CsvRefusal("block_name,latency\na,1\n"),
            "t.csv:1:12: found 'latency', expected NAME(UNIT) such as latency(ms)");
  EXPECT_EQ(CsvRefusal("block_name,latency(ms),latency(s)\na,1,1\n"),
            "t.csv:1:24: found a second column latency, expected every cost once");
  EXPECT_EQ(CsvRefusal("block_name,latency(ms)\na,1\na,2\n"),
            "t.csv:3:1: found the key 'a' twice, expected it once");
  EXPECT_EQ(CsvRefusal("block_name,latency(ms)\na,1\nb,-0.5\n"),
            "t.csv:3:3: found '-0.5', expected a finite number, 0 or more");
  EXPECT_EQ(CsvRefusal("block_name,latency(ms)\na,nan\n"),
            "t.csv:2:3: found 'nan', expected a finite number, 0 or more");
  EXPECT_EQ(CsvRefusal("block_name,latency(s)\na,1e308\n"),
            "t.csv:2:3: found '1e308', expected a finite number, 0 or more");
  EXPECT_EQ(CsvRefusal("block_name,latency(ms)\na,1,2\n"),
            "t.csv:2:1: found 3 columns, expected 2");
  EXPECT_EQ(CsvRefusal("block_name,latency(ms)\n,1\n"),
            "t.csv:2:1: found no key, expected a latency key");
  EXPECT_EQ(CsvRefusal("block_name,latency(ms)\n"),
            "t.csv: found a header alone, expected a line a key");
  EXPECT_EQ(CsvRefusal(kCsv, "power"),
            "t.csv:1: found the costs latency(us), energy(mJ), expected power; --cost chooses one "
            "of a table's");
  // A cost that is not asked for must be right as well.
  EXPECT_EQ(CsvRefusal("block_name,latency(ms),energy(mJ)\na,1,x\n"),
            "t.csv:2:5: found 'x', expected a finite number, 0 or more");
}

TEST(TableFileTest, TellsFilesApartByTheirContent) {
  const TempDir dir;
  WriteFileAtomically(dir / "a", kYaml);
  WriteFileAtomically(dir / "b", std::string("\xEF\xBB\xBF") + kCsv);
  WriteFileAtomically(dir / "c", LatencyTableToJson(LatencyTableFromCsv(kCsv, "t", "energy")));
  WriteFileAtomically(dir / "d", " \n");
  EXPECT_EQ(LoadLatencyTable(dir / "a"), LatencyTableFromYaml(kYaml, ""));
  EXPECT_EQ(LoadLatencyTable(dir / "b"), LatencyTableFromCsv(kCsv, ""));
  EXPECT_EQ(LoadLatencyTable(dir / "c", "energy"), LatencyTableFromCsv(kCsv, "", "energy"));
  EXPECT_NE(
      Refusal([&] { LoadLatencyTable(dir / "c"); }).find("found energy(mJ), expected latency"),
      std::string::npos);
  EXPECT_NE(Refusal([&] {
              LoadLatencyTable(dir / "a", "energy");
            }).find("found latency(ms), expected energy"),
            std::string::npos);
  EXPECT_NE(Refusal([&] { LoadLatencyTable(dir / "d"); }).find("found an empty file"),
            std::string::npos);
}

TEST(MacsTableTest, CountsInMillions) {
  const SearchSpace space = LoadSpace("proxyless-imagenet");
  const LatencyTable table = MacsTable(DistinctKeys(space));
  EXPECT_EQ(table.cost, (CostUnit{.name = "macs", .unit = "M"}));
  // ProxylessNAS's own counts of these layers.
  EXPECT_DOUBLE_EQ(table.Find("Conv-input:224x224x3-output:112x112x32")->cost, 10.838016);
  EXPECT_DOUBLE_EQ(table
                       .Find("expanded_conv-input:56x56x24-output:56x56x24-expand:6-kernel:7-"
                             "stride:1-idskip:1")
                       ->cost,
                   43.803648);
}

TEST(NearestKeyTest, NamesWhatDiffers) {
  LatencyTable table;
  const std::string a =
      "expanded_conv-input:8x8x8-output:8x8x8-expand:3-kernel:3-stride:1-idskip:1";
  const std::string b =
      "expanded_conv-input:8x8x8-output:4x4x8-expand:6-kernel:5-stride:2-idskip:0";
  for (const std::string& key : {a, b}) table.entries[key] = {1, 0, 1};
  const NearestKey nearest = FindNearestKey(
      table, "expanded_conv-input:8x8x8-output:8x8x8-expand:3-kernel:7-stride:1-idskip:1");
  EXPECT_EQ(nearest.key, a);
  EXPECT_EQ(nearest.differing, "kernel:3");
  EXPECT_EQ(FindNearestKey(table, "Logits-input:1x1x8-output:10").key, "");
  // Of two that differ in as many parts, the one whose sizes are closer.
  LatencyTable sizes;
  for (const char* size : {"14x14x80", "56x56x24"}) {
    sizes.entries[fmt::format("expanded_conv-input:{0}-output:{0}-kernel:3", size)] = {};
  }
  EXPECT_EQ(
      FindNearestKey(sizes, "expanded_conv-input:56x56x32-output:56x56x32-kernel:3").differing,
      "input:56x56x24, output:56x56x24");
}

}  // namespace
}  // namespace nasengine
