// The keys that scripts read; names stay, more may be added.
// SPDX-License-Identifier: MIT
#include "nas/report/summary_json.h"

#include <nlohmann/json.hpp>

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

// A time of 0 stands for "not measured".
Json MeasuredMs(double ms) { return ms > 0 ? Json(ms) : Json(nullptr); }

Json OrNull(const std::optional<double>& value) {
  return value.has_value() ? Json(*value) : Json(nullptr);
}

// Of the table's cost: latency's own place is not for other things.
Json ExpectedCost(const LatencySummary& latency) {
  return {{"name", latency.cost.name},      {"unit", latency.cost.unit},
          {"expected", latency.expected},   {"predicted", latency.predicted},
          {"reference", latency.reference}, {"initial_expected", latency.initial_expected}};
}

Json ToJson(const LatencySummary& latency) {
  const auto time = [&](double ms) { return latency.cost.is_latency() ? Json(ms) : Json(nullptr); };
  return {{"expected", time(latency.expected)},
          {"predicted", time(latency.predicted)},
          {"measured", MeasuredMs(latency.measured)},
          {"measured_mad", latency.measured > 0 ? Json(latency.measured_mad) : Json(nullptr)},
          {"sum_of_layers", MeasuredMs(latency.sum_of_layers)},
          {"reference", time(latency.reference)},
          {"initial_expected", time(latency.initial_expected)},
          {"table", latency.table}};
}

Json ToJson(const PeakBytes& bytes) {
  return {{"total", bytes.total},
          {"weights", bytes.weights},
          {"gradients", bytes.gradients},
          {"optimizer", bytes.optimizer},
          {"activations", bytes.activations},
          {"workspace", bytes.workspace},
          {"data", bytes.data}};
}

Json ToJson(const PhaseSeconds& seconds) {
  return {{"profile", seconds.profile},
          {"warmup", seconds.warmup},
          {"search", seconds.search},
          {"train", seconds.train},
          {"total", seconds.total}};
}

Json ToJson(const BaselineSummary& row, const CostUnit& cost) {
  const Json predicted(row.predicted_ms);
  Json json{{"kind", row.kind},
            {"architecture", row.architecture},
            {"parameters", row.parameters},
            {"macs", row.macs},
            {"latency_ms",
             {{"predicted", cost.is_latency() ? predicted : Json(nullptr)},
              {"measured", MeasuredMs(row.measured_ms)}}},
            {"accuracy", {{"validation_top1", row.validation_top1}, {"test_top1", row.test_top1}}}};
  if (!cost.is_latency()) json["cost"] = {{"predicted", predicted}};
  return json;
}

}  // namespace

std::string SummaryToJson(const SearchSummary& summary) {
  Json json{{"algorithm", summary.algorithm},
            {"seed", summary.seed},
            {"device", summary.device},
            {"device_name", summary.device_name},
            {"threads", summary.threads},
            {"dtype", summary.dtype},
            {"data", summary.data},
            {"space", summary.space},
            {"width", summary.width},
            {"objective", summary.objective},
            {"steps", summary.steps},
            {"architecture_steps", summary.architecture_steps},
            {"architecture", summary.network.architecture},
            {"parameters", summary.parameters},
            {"macs", summary.macs},
            {"latency_ms", ToJson(summary.latency_ms)},
            {"accuracy",
             {{"validation_top1", OrNull(summary.validation_top1)},
              {"test_top1", OrNull(summary.test_top1)}}},
            {"supernet_top1", summary.supernet_top1},
            {"entropy", {{"initial", summary.initial_entropy}, {"final", summary.final_entropy}}},
            {"peak_bytes", ToJson(summary.peak_bytes)},
            {"planned_peak_bytes", summary.planned_peak_bytes},
            {"all_paths_peak_bytes", summary.all_paths_peak_bytes},
            {"seconds", ToJson(summary.seconds)},
            {"warnings", Json::array()},
            {"baselines", Json::array()},
            {"stopped", summary.stopped}};
  if (!summary.latency_ms.cost.is_latency()) json["cost"] = ExpectedCost(summary.latency_ms);
  for (const WarningSummary& warning : summary.warnings) {
    json["warnings"].push_back(
        {{"name", warning.name}, {"finding", warning.finding}, {"advice", warning.advice}});
  }
  for (const BaselineSummary& row : summary.baselines) {
    json["baselines"].push_back(ToJson(row, summary.latency_ms.cost));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace nasengine
