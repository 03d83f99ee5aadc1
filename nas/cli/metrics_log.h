// metrics.jsonl: a line of JSON for every step of a run.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "nas/space/cost_unit.h"
#include "nas/train/step_record.h"

namespace nasengine {

// {"step":..,"epoch":..,"phase":..,"loss":..,"top1":..,"lr":..,"expected_latency_ms":..,
// "entropy":..,"ms":..,"peak_bytes":..} and a newline. Numbers have nine significant digits, so
// that the same f32 gives the same text; one that is not finite, or does not exist, is null. Where
// the search counts another cost than latency, "expected_cost" stands in the place of
// "expected_latency_ms".
std::string MetricsLine(const StepRecord& record, const CostUnit& cost = {});

// Lines are gathered and written at the end of every epoch; the file is made by the first write,
// over an old one of that name, and always holds whole lines.
class MetricsLog {
 public:
  explicit MetricsLog(std::string path) : path_(std::move(path)) {}
  // Writes what is left where it can.
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  // What the expectation counts; latency unless this is called.
  void SetCost(const CostUnit& cost) { cost_ = cost; }
  // Throw kIo with the file and the cause; the file then ends with the last whole write.
  void Add(const StepRecord& record);
  void Flush();

 private:
  std::string path_;
  CostUnit cost_;
  std::string pending_;
  int fd_ = -1;
  std::int64_t written_bytes_ = 0;
  std::int64_t epoch_ = -1;
};

}  // namespace nasengine
