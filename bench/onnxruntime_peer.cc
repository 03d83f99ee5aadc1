// SPDX-License-Identifier: MIT
#include "bench/onnxruntime_peer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "autograd/state_dict.h"
#include "nas/space/architecture_file.h"

namespace nasengine {
namespace {

constexpr char kScript[] = NASENGINE_PEERS "/onnxruntime_inference.py";
constexpr char kMissing[] = "no ONNX Runtime";  // as the script says it
constexpr double kMostSeconds = 60;
// Both sides sum the same products in f32 in another order, layer after layer.
constexpr double kLargestDifference = 1e-3;

// A file that goes with its owner.
class TaskFile {
 public:
  TaskFile(Context& context, const InferenceTask& task)
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("nasengine-inference-{}.safetensors", getpid())) {
    StateDict state;
    state.Add("images", task.images);
    state.Add("logits", task.logits);
    for (const FoldedOp& op : task.graph.ops) {
      if (!op.weight.defined()) continue;
      state.Add(op.name + ".weight", op.weight);
      state.Add(op.name + ".bias", op.bias);
    }
    SaveStateDict(context, path(), state);
  }
  ~TaskFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TaskFile(const TaskFile&) = delete;
  TaskFile& operator=(const TaskFile&) = delete;

  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace

bool IsMissing(const std::string& why) { return why.starts_with(kMissing); }

std::unique_ptr<OnnxRuntimePeer> OnnxRuntimePeer::Start(Workbench& bench, const InferenceTask& task,
                                                        const std::string& python,
                                                        std::string& why) {
  const std::vector<std::string> command{
      python,      kScript,
      "--threads", std::to_string(bench.threads()),
      "--cores",   fmt::format("{}", fmt::join(bench.cores(), ","))};
  std::unique_ptr<OnnxRuntimePeer> peer;
  try {
    peer.reset(
        new OnnxRuntimePeer(std::make_unique<PeerProcess>(command, std::vector<std::string>())));
  } catch (const Error& error) {
    why = StrCat(kMissing, ": ", error.what());
    return nullptr;
  }
  const TaskFile file(bench.context(), task);
  const nlohmann::ordered_json request{
      {"network", nlohmann::ordered_json::parse(ArchitectureToJson(task.network))},
      {"tensors", file.path()}};
  const std::string hello = peer->process_->Ask(request.dump(), kMostSeconds).value_or("no answer");
  std::istringstream words(hello);
  std::string ready, difference;
  if (!(words >> ready >> peer->version_ >> difference) || ready != "ready") {
    why = hello;
    return nullptr;
  }
  peer->largest_difference_ = std::strtod(difference.c_str(), nullptr);  // reads "nan" too
  NAS_CHECK(peer->largest_difference_ <= kLargestDifference, task.network.name,
            ": logits of ONNX Runtime ", peer->version_, ": found a difference of ",
            peer->largest_difference_, " of their root mean square, expected at most ",
            kLargestDifference);
  return peer;
}

bool OnnxRuntimePeer::Run(int times) {
  return process_->Ask(fmt::format("run {}", times), kMostSeconds).has_value();
}

}  // namespace nasengine
