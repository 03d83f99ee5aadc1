// The table's file: what survives the way to disk and back, and what is refused.
// SPDX-License-Identifier: MIT
#include "nas/latency/latency_table.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "nas/latency/table_file.h"
#include "nas/space/space_file.h"
#include "tests/support/fake_latency_table.h"
#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

LatencyTable SmallTable() {
  return {.device = "AMD \"EPYC\" 9575F",
          .threads = 2,
          .batch = 1,
          .dtype = "f32",
          .runtime = "nasengine",
          .created_by = "nasengine 0.1.0",
          .protocol = "medians",
          .entries = {{"Conv-input:28x28x1-output:28x28x8", {1.0 / 3, 1e-7, 50}},
                      {"Logits-input:7x7x128-output:10", {4.083755600814664, 0, 1}}}};
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

// The message with which `json` is refused.
std::string Refusal(const std::string& json) {
  try {
    LatencyTableFromJson(json, "t.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

TEST(LatencyTableTest, SurvivesJson) {
  const LatencyTable table = SmallTable();
  const std::string json = LatencyTableToJson(table);
  EXPECT_EQ(LatencyTableFromJson(json, "t.json"), table);
  EXPECT_EQ(LatencyTableToJson(LatencyTableFromJson(json, "t.json")), json);
}

TEST(LatencyTableTest, SurvivesAFile) {
  const TempDir dir;
  const std::string path = dir / "latency.json";
  const LatencyTable table = FakeLatencyTable(LoadSpace("fashion"));
  SaveLatencyTable(path, table);
  EXPECT_EQ(LoadLatencyTable(path), table);
  EXPECT_EQ(ReadFile(path), LatencyTableToJson(table));
  EXPECT_THROW(LoadLatencyTable(dir / "none.json"), Error);
}

TEST(LatencyTableTest, HasTheDocumentedLayout) {
  const std::string json = LatencyTableToJson(SmallTable());
  EXPECT_EQ(json.rfind("{\n  \"format\": \"nasengine-latency-table\",\n  \"version\": 1,\n", 0),
            0u);
  EXPECT_NE(json.find("\"unit\": \"ms\""), std::string::npos);
  EXPECT_NE(json.find("\"Logits-input:7x7x128-output:10\": {\n"
                      "      \"latency_ms\": 4.083755600814664,\n"
                      "      \"mad_ms\": 0.0,\n      \"samples\": 1\n"),
            std::string::npos)
      << json;
}

TEST(LatencyTableTest, FindsOnlyWhatIsThere) {
  const LatencyTable table = SmallTable();
  ASSERT_NE(table.Find("Logits-input:7x7x128-output:10"), nullptr);
  EXPECT_EQ(table.Find("Logits-input:7x7x128-output:10")->samples, 1);
  EXPECT_EQ(table.Find("Logits-input:7x7x128-output:100"), nullptr);
}

TEST(LatencyTableTest, RefusesTimesThatAreNone) {
  const std::string json = LatencyTableToJson(SmallTable());
  const std::string place = "t.json: entries.Logits-input:7x7x128-output:10.latency_ms: found ";
  const std::string good = "\"latency_ms\": 4.083755600814664";
  EXPECT_EQ(Refusal(Replaced(json, good, "\"latency_ms\": -0.5")),
            place + "-0.5, expected a finite time in ms, 0 or more");
  EXPECT_EQ(Refusal(Replaced(json, good, "\"latency_ms\": \"4\"")),
            place + "'4', expected a finite time in ms, 0 or more");
  EXPECT_EQ(Refusal(Replaced(json, good, "\"latency_ms\": null")).rfind(place, 0), 0u);
  EXPECT_EQ(Refusal(Replaced(json, good, "\"latency_ms\": NaN")),
            "t.json:19:21: found 'N', expected valid JSON");
  EXPECT_EQ(Refusal(Replaced(json, good, "\"latency_ms\": 1e999")),
            "t.json:19:25: found '1e999', expected a finite number");
  EXPECT_EQ(
      Refusal(Replaced(json, "\"mad_ms\": 0.0", "\"mad_ms\": -1")),
      "t.json: entries.Logits-input:7x7x128-output:10.mad_ms: found -1, expected a finite time "
      "in ms, 0 or more");
  EXPECT_NE(Refusal(Replaced(json, "\"samples\": 50", "\"samples\": 0")).find("samples: found 0"),
            std::string::npos);
}

TEST(LatencyTableTest, RefusesWhatIsMissingUnknownOrTwice) {
  const std::string json = LatencyTableToJson(SmallTable());
  EXPECT_EQ(Refusal(Replaced(json, "      \"mad_ms\": 0.0,\n", "")),
            "t.json: entries.Logits-input:7x7x128-output:10: found no key 'mad_ms' in an entry, "
            "expected a finite time in ms, 0 or more");
  EXPECT_NE(Refusal(Replaced(json, "  \"threads\": 2,\n", "")).find("found no key 'threads'"),
            std::string::npos);
  EXPECT_NE(Refusal(Replaced(json, "\"batch\": 1", "\"batches\": 1")).find("the key 'batches'"),
            std::string::npos);
  EXPECT_EQ(
      Refusal(
          Replaced(json, "Conv-input:28x28x1-output:28x28x8", "Logits-input:7x7x128-output:10")),
      "t.json: entries.Logits-input:7x7x128-output:10: found the key twice, expected it once");
  EXPECT_EQ(Refusal(Replaced(json, "\"batch\": 1", "\"threads\": 1")),
            "t.json: threads: found the key twice, expected it once");
}

TEST(LatencyTableTest, RefusesOtherFormatsVersionsAndUnits) {
  const std::string json = LatencyTableToJson(SmallTable());
  EXPECT_EQ(Refusal(Replaced(json, "\"version\": 1", "\"version\": 2")),
            "t.json: version: found 2, expected version 1, the one this program reads");
  EXPECT_EQ(Refusal(Replaced(json, "nasengine-latency-table", "nasengine-architecture")),
            "t.json: format: found 'nasengine-architecture', expected 'nasengine-latency-table'");
  EXPECT_EQ(Refusal(Replaced(json, "\"unit\": \"ms\"", "\"unit\": \"us\"")),
            "t.json: unit: found 'us', expected 'ms'");
  EXPECT_EQ(Refusal(Replaced(json, "\"threads\": 2", "\"threads\": \"2\""))
                .rfind("t.json: threads: found '2', expected", 0),
            0u);
}

TEST(LatencyTableTest, RefusesDamagedText) {
  const std::string json = LatencyTableToJson(SmallTable());
  EXPECT_EQ(Refusal(""), "t.json:1:1: found the end of the text, expected valid JSON");
  // Cut anywhere before its closing brace, a table is refused.
  for (std::size_t length = 0; length + 2 < json.size(); ++length) {
    EXPECT_NE(Refusal(json.substr(0, length)), "accepted") << length;
  }
  EXPECT_NE(Refusal("[1, 2]"), "accepted");
}

}  // namespace
}  // namespace nasengine
