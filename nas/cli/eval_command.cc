// `nasengine eval`: accuracy of a network and its weights on a test set.
// SPDX-License-Identifier: MIT
#include <cstdio>

#include "autograd/state_dict.h"
#include "nas/cli/command.h"
#include "nas/cli/network_run.h"

namespace nasengine {
namespace {

constexpr char kDescription[] = "Accuracy and loss of a network with its weights on the test set.";
constexpr char kExamples[] =
    "  nasengine eval --network run/architecture.json --weights run/weights.safetensors\n"
    "  nasengine eval --network run/architecture.json --weights run/weights.safetensors \\\n"
    "      --data ~/idx-folder --json\n";

}  // namespace

int EvalCommand(Arguments arguments) {
  NetworkRunConfig config;
  Flags flags("eval", kDescription, kExamples);
  AddNetworkFlags(flags, config, "Its weights (required)");
  if (const auto code = flags.Parse(arguments)) return *code;
  if (config.network.empty()) return WrongUsage("eval", "--network NAME|FILE is missing");
  if (config.weights.empty()) return WrongUsage("eval", "--weights FILE is missing");

  Session session(SessionOf(config));
  NetworkTask task = OpenNetworkTask(config, session.host_allocator());
  NormalizeAsTheNetworkSays(task);
  const auto& [desc, data] = task;
  Network network(session.context(), desc);
  LoadStateDict(session.context(), config.weights, network.state_dict());
  const Evaluation evaluation = EvaluateOnTest(session, network, data);
  std::fputs((config.json ? EvaluationToJson(evaluation, desc) : EvaluationToText(evaluation, desc))
                 .c_str(),
             stdout);
  return kExitDone;
}

}  // namespace nasengine
