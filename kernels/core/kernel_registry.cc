// SPDX-License-Identifier: MIT
#include "kernels/core/kernel_registry.h"

namespace nasengine {

bool KernelRegistry::Has(std::string_view op, Impl impl) const {
  const auto found = tables_.find(op);
  return found != tables_.end() && found->second->Has(impl);
}

KernelRegistry KernelRegistry::WithoutExecution() const {
  KernelRegistry registry;
  for (const auto& [name, table] : tables_) registry.tables_[name] = table->WithoutExecution();
  return registry;
}

KernelRegistry KernelRegistry::Checked() const {
  KernelRegistry registry;
  for (const auto& [name, table] : tables_) registry.tables_[name] = table->Checked();
  return registry;
}

KernelRegistry KernelRegistry::Profiled(KernelRecorder& recorder) const {
  KernelRegistry registry;
  for (const auto& [name, table] : tables_) registry.tables_[name] = table->Profiled(recorder);
  return registry;
}

}  // namespace nasengine
