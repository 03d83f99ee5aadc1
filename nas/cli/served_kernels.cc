// SPDX-License-Identifier: MIT
#include "nas/cli/served_kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "nas/cli/network_run.h"
#include "nas/deploy/fold.h"
#include "nas/deploy/runner.h"
#include "nas/supernet/network.h"
#include "nas/supernet/prepare.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

auto KeyOf(const ServedKernel& kernel) {
  const KernelShape& s = kernel.shape;
  return std::tuple(std::string_view(kernel.op), s.dtype, s.kernel, s.stride, s.width, s.rows,
                    s.c_in, s.c_out);
}

// What `rehearse(context, allocator)` asks on a context without arithmetic.
template <class Rehearse>
ServedKernels Ask(Session& session, const Rehearse& rehearse) {
  CachingAllocator allocator(session.backend());
  const KernelRegistry dry = session.registry().WithoutExecution();
  const std::unique_ptr<Context> context = session.context().Sibling(allocator, dry);
  rehearse(*context, allocator);
  const std::vector<std::string> capabilities = session.backend().capabilities();
  ServedKernels served{.device = session.backend().name(),
                       .capability = capabilities.empty() ? "" : capabilities.front(),
                       .threads = context->threads(),
                       .policy = context->policy(),
                       .kernels = {}};
  for (const auto& [key, choice] : context->State<KernelChoices>().made()) {
    served.kernels.push_back({key.op, key.shape, choice});
  }
  std::ranges::sort(served.kernels, {}, KeyOf);
  return served;
}

// "k5 s1 w56 50176x144", "50176x144", "k1 s1 w7 784x192->320"; "any" of an operator without shapes.
std::string ShapeText(const KernelShape& s) {
  if (s == KernelShape{}) return "any";
  const std::string window =
      s.width == 1 && s.kernel == 1 ? "" : fmt::format("k{} s{} w{} ", s.kernel, s.stride, s.width);
  const std::string out = s.c_out == s.c_in ? "" : fmt::format("->{}", s.c_out);
  return fmt::format("{}{}x{}{}", window, s.rows, s.c_in, out);
}

std::string Why(const ServedKernel& kernel, bool measured_policy) {
  const KernelChoice& choice = kernel.choice;
  std::string why;
  if (choice.row != nullptr) {
    const bool same = choice.row->shape == kernel.shape;
    why = fmt::format("{}, {} takes {:.2f} of the time of {}",
                      same ? "measured" : "nearest is " + ShapeText(choice.row->shape),
                      Name(choice.row->order[1]), choice.row->gain, Name(choice.row->order[0]));
  } else if (!measured_policy) {
    why = "the order for all";
  } else {
    why = kernel.shape == KernelShape{} ? "default order, whatever the shape"
                                        : "default order, nothing measured";
  }
  for (Impl impl : choice.order) {
    if (impl == choice.served) break;
    why += fmt::format("; {} does not take it", Name(impl));
  }
  return why;
}

std::string PolicyText(const KernelPolicy& policy) {
  const KernelPolicyTable* table = policy.table();
  if (table == nullptr) return "policy: one order for all operators";
  return fmt::format("policy: measured on {} ({}), {}, {} threads", table->device,
                     table->capability, table->vendor, table->threads);
}

}  // namespace

ServedKernels KernelsOfSearch(Session& session, const SearchSpace& space,
                              const std::vector<SizedStep>& steps, DType dtype) {
  return Ask(session, [&](Context& context, CachingAllocator& allocator) {
    Supernet supernet(context, space, {.dtype = dtype, .micro_batch = space.recipe.micro_batch});
    PrepareSupernet(context, allocator, supernet, steps);
  });
}

ServedKernels KernelsOfTraining(Session& session, const NetworkDesc& network, std::int64_t batch,
                                DType dtype) {
  return Ask(session, [&](Context& context, CachingAllocator& allocator) {
    Network built(context, network, WeightInit::kFanOut, {.dtype = dtype});
    built.Initialize(/*seed=*/1);  // folding refuses what is not finite
    PrepareTraining(context, allocator, built, {&batch, 1});
    const FoldedRunner evaluation(context, Fold(context, built), kEvaluationBatch);
  });
}

std::string ServedKernelsText(const ServedKernels& served) {
  std::string text =
      fmt::format("\nKernels on {}{}, {} thread{}\n{}\n\n  {:<32}{:<6}{:<26}{:<11}{}\n",
                  served.device, served.capability.empty() ? "" : " (" + served.capability + ")",
                  served.threads, served.threads == 1 ? "" : "s", PolicyText(served.policy),
                  "operator", "dtype", "shape", "served by", "why");
  for (const ServedKernel& kernel : served.kernels) {
    text += fmt::format("  {:<32}{:<6}{:<26}{:<11}{}\n", kernel.op, Name(kernel.shape.dtype),
                        ShapeText(kernel.shape), Name(kernel.choice.served),
                        Why(kernel, served.policy.table() != nullptr));
  }
  return text;
}

Json ServedKernelsJson(const ServedKernels& served) {
  Json json = {{"device", served.device},
               {"capability", served.capability},
               {"threads", served.threads},
               {"policy", nullptr},
               {"choices", Json::array()}};
  if (const KernelPolicyTable* table = served.policy.table()) {
    json["policy"] = {{"device", table->device},
                      {"capability", table->capability},
                      {"vendor", table->vendor},
                      {"threads", table->threads}};
  }
  for (const ServedKernel& kernel : served.kernels) {
    json["choices"].push_back({{"operator", kernel.op},
                               {"dtype", Name(kernel.shape.dtype)},
                               {"shape", ShapeText(kernel.shape)},
                               {"served", Name(kernel.choice.served)},
                               {"order", ToString(kernel.choice.order)},
                               {"why", Why(kernel, served.policy.table() != nullptr)}});
  }
  return json;
}

}  // namespace nasengine
