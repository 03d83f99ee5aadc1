// SPDX-License-Identifier: MIT
#include "nas/cli/metrics_log.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

StepRecord Record(std::int64_t step, std::int64_t epoch) {
  return {.step = step,
          .steps = 100,
          .epoch = epoch,
          .phase = Phase::kArch,
          .loss = 0.1,
          .top1 = 50,
          .lr = 0.05,
          .expected_latency_ms = 1.5,
          .entropy = 1.9,
          .ms = 12.5,
          .images = 128,
          .peak_bytes = 1 << 20};
}

// Files of this process may not grow beyond `bytes` while this lives, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  void (*old_handler_)(int);
  rlimit old_;
};

TEST(MetricsLogTest, WritesALineOfJsonForEveryStep) {
  const auto json = nlohmann::json::parse(MetricsLine(Record(3, 1)));
  EXPECT_EQ(json["step"], 3);
  EXPECT_EQ(json["epoch"], 1);
  EXPECT_EQ(json["phase"], "arch");
  EXPECT_EQ(json["loss"], 0.1);
  EXPECT_EQ(json["top1"], 50);
  EXPECT_EQ(json["lr"], 0.05);
  EXPECT_EQ(json["expected_latency_ms"], 1.5);
  EXPECT_EQ(json["entropy"], 1.9);
  EXPECT_EQ(json["ms"], 12.5);
  EXPECT_EQ(json["peak_bytes"], 1 << 20);
  EXPECT_EQ(json.size(), 10u);
}

TEST(MetricsLogTest, TrainingADerivedNetworkHasNoAlphas) {
  StepRecord record = Record(1, 0);
  record.phase = Phase::kTrain;
  record.expected_latency_ms.reset();
  record.entropy.reset();
  const auto json = nlohmann::json::parse(MetricsLine(record));
  EXPECT_TRUE(json["expected_latency_ms"].is_null());
  EXPECT_TRUE(json["entropy"].is_null());
  EXPECT_EQ(json["loss"], 0.1);
}

TEST(MetricsLogTest, TellsNeighbouringFloatsApart) {
  StepRecord record = Record(1, 0);
  record.loss = 1.0f;
  const std::string one = MetricsLine(record);
  record.loss = std::nextafter(1.0f, 2.0f);
  EXPECT_NE(one, MetricsLine(record));
}

TEST(MetricsLogTest, WritesNullForWhatIsNotANumber) {
  StepRecord record = Record(1, 0);
  record.loss = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(nlohmann::json::parse(MetricsLine(record))["loss"].is_null());
}

TEST(MetricsLogTest, WritesAtTheEndOfAnEpoch) {
  const TempDir folder;
  const std::string path = folder / "metrics.jsonl";
  MetricsLog log(path);
  log.Add(Record(1, 0));
  log.Add(Record(2, 0));
  EXPECT_FALSE(std::filesystem::exists(path));
  log.Add(Record(3, 1));
  EXPECT_EQ(ReadFile(path), MetricsLine(Record(1, 0)) + MetricsLine(Record(2, 0)));
  log.Flush();
  EXPECT_EQ(ReadFile(path),
            MetricsLine(Record(1, 0)) + MetricsLine(Record(2, 0)) + MetricsLine(Record(3, 1)));
}

TEST(MetricsLogTest, LeavesWholeLinesWhenTheDiskIsFull) {
  const TempDir folder;
  const std::string path = folder / "metrics.jsonl";
  const std::string line = MetricsLine(Record(1, 0));
  MetricsLog log(path);
  log.Add(Record(1, 0));
  log.Flush();
  const FileSizeLimit limit(line.size() + 10);
  log.Add(Record(1, 0));
  try {
    log.Flush();
    FAIL() << "written";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_EQ(std::string(error.what()).rfind(path + ": cannot write the file: ", 0), 0u);
  }
  EXPECT_EQ(ReadFile(path), line);
}

TEST(MetricsLogTest, NamesAFileThatCannotBeMade) {
  const TempDir folder;
  MetricsLog log(folder / "none/metrics.jsonl");
  log.Add(Record(1, 0));
  EXPECT_THROW(log.Flush(), Error);
}

}  // namespace
}  // namespace nasengine
