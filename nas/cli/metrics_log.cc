// SPDX-License-Identifier: MIT
#include "nas/cli/metrics_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>

#include "kernels/core/error.h"
#include "kernels/core/log.h"

namespace nasengine {
namespace {

std::string Number(double value) {
  return std::isfinite(value) ? fmt::format("{:.9g}", value) : "null";
}

std::string Number(const std::optional<double>& value) { return value ? Number(*value) : "null"; }

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

std::string MetricsLine(const StepRecord& record, const CostUnit& cost) {
  return fmt::format(
      "{{\"step\":{},\"epoch\":{},\"phase\":\"{}\",\"loss\":{},\"top1\":{},\"lr\":{},"
      "\"{}\":{},\"entropy\":{},\"ms\":{},\"peak_bytes\":{}}}\n",
      record.step, record.epoch, Name(record.phase), Number(record.loss), Number(record.top1),
      Number(record.lr), cost.is_latency() ? "expected_latency_ms" : "expected_cost",
      Number(record.expected_latency_ms), Number(record.entropy), Number(record.ms),
      record.peak_bytes);
}

MetricsLog::~MetricsLog() {
  try {
    Flush();
  } catch (const Error& error) {
    LogError(error.what());
  }
  if (fd_ >= 0) ::close(fd_);
}

void MetricsLog::Add(const StepRecord& record) {
  if (record.epoch != epoch_) Flush();
  epoch_ = record.epoch;
  pending_ += MetricsLine(record, cost_);
}

void MetricsLog::Flush() {
  if (pending_.empty()) return;
  if (fd_ < 0) fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  // Taken first: what cannot be written is not tried again when the log goes away.
  const std::string lines = std::exchange(pending_, {});
  if (fd_ < 0 || !WriteAll(fd_, lines)) {
    const int error = errno;
    if (fd_ >= 0 && ::ftruncate(fd_, written_bytes_) != 0) {
      // A device such as /dev/full keeps nothing anyway.
    }
    Throw(ErrorCode::kIo, path_, ": cannot write the file: ", std::strerror(error));
  }
  written_bytes_ += static_cast<std::int64_t>(lines.size());
}

}  // namespace nasengine
